//! Keeping results within bounds: what does not fit is left out, and then the workflow cannot be aggregated.

use std::sync::Arc;

use muster_wire::job::Outputs;

use super::limits::{ERROR_BYTES_MAX, JOB_KEPT_BYTES_MAX, SHARD_OUTPUT_BYTES_MAX, WORKFLOW_OUTPUT_BYTES_MAX};
use super::record::JobRecord;
use super::shard::{ResultRow, ShardRow};
use super::text::cut;
use super::workflow::Workflow;

impl JobRecord {
    /// Puts a result into its shard's row, in the place of an earlier attempt's.
    pub(super) fn keep_result(&mut self, workflow: &mut Workflow, row: &mut ShardRow, mut result: ResultRow) {
        result.exit.error = result.exit.error.map(|error| cut(&error, ERROR_BYTES_MAX));
        self.drop_kept(workflow, row);
        self.leave_out_outputs(workflow, &mut result);
        self.leave_out_error(&mut result);
        workflow.output_bytes += output_bytes(&result.outputs);
        self.kept_bytes += kept_bytes(&result);
        row.result = Some(Arc::new(result));
    }

    fn drop_kept(&mut self, workflow: &mut Workflow, row: &mut ShardRow) {
        if let Some(old) = row.result.take() {
            workflow.output_bytes = workflow.output_bytes.saturating_sub(output_bytes(&old.outputs));
            self.kept_bytes = self.kept_bytes.saturating_sub(kept_bytes(&old));
        }
    }

    fn leave_out_outputs(&self, workflow: &mut Workflow, result: &mut ResultRow) {
        let bytes = output_bytes(&result.outputs);
        let bounds = [
            (bytes, SHARD_OUTPUT_BYTES_MAX, "a shard"),
            (workflow.output_bytes + bytes, WORKFLOW_OUTPUT_BYTES_MAX, "the workflow"),
            (self.kept_bytes + bytes, JOB_KEPT_BYTES_MAX, "the job"),
        ];
        let over = bounds.into_iter().find(|(bytes, bytes_max, _)| *bytes > *bytes_max as u64);
        if let Some((_, bytes_max, whose)) = over {
            workflow.note_unmergeable(&format!("the outputs of {whose} are over {bytes_max} bytes"));
            result.outputs.clear();
        }
    }

    fn leave_out_error(&self, result: &mut ResultRow) {
        if self.kept_bytes + kept_bytes(result) > JOB_KEPT_BYTES_MAX as u64 {
            result.exit.error = None;
        }
    }
}

fn output_bytes(outputs: &Outputs) -> u64 {
    outputs.iter().map(|(name, value)| (name.len() + value.0.len()) as u64).sum()
}

fn kept_bytes(result: &ResultRow) -> u64 {
    output_bytes(&result.outputs) + result.exit.error.as_ref().map_or(0, |error| error.len() as u64)
}

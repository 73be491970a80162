//! One live line a workflow: bar, shards done of total, rate, elapsed, datacenter.

use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use muster_wire::api::{JobEvent, JobView, WorkflowView};
use muster_wire::job::WorkflowStatus;

use super::{Shower, paint_status};
use crate::failure::Failure;
use crate::output::Output;

/// So many workflows get a line of their own; the rest share the last one's room.
const LINES_MAX: usize = 20;
/// Parts that a shard's bar is drawn in, so that progress within a shard shows.
const PARTS: u64 = 1_000;

/// Draws on stderr.
pub(super) struct Live {
    out: Output,
    screen: MultiProgress,
    head: ProgressBar,
    bars: BTreeMap<usize, ProgressBar>,
}

impl Live {
    pub(super) fn new(out: Output) -> Self {
        let screen = MultiProgress::new();
        let head = screen.add(ProgressBar::new_spinner());
        head.enable_steady_tick(std::time::Duration::from_millis(120));
        head.set_style(style("{spinner} {msg} {elapsed}"));
        Self { out, screen, head, bars: BTreeMap::new() }
    }

    fn draw(&mut self, job: &JobView) {
        self.head.set_message(format!("{} {}", job.name, paint_status(self.out, job.status)));
        for (at, workflow) in job.workflows.iter().enumerate().take(LINES_MAX) {
            self.draw_workflow(at, workflow);
        }
    }

    fn draw_workflow(&mut self, at: usize, workflow: &WorkflowView) {
        let screen = &self.screen;
        let bar = self.bars.entry(at).or_insert_with(|| screen.add(new_bar()));
        let total = u64::from(workflow.shards.total) * PARTS;
        bar.set_length(total.max(1));
        bar.set_prefix(format!("{:<20.20} {:<10.10}", workflow.name, workflow.status.word()));
        bar.set_position((workflow.progress.clamp(0.0, 1.0) * total as f64) as u64);
        bar.set_message(message(workflow));
        if workflow.status.is_terminal() {
            bar.abandon();
        }
    }
}

fn new_bar() -> ProgressBar {
    let bar = ProgressBar::new(1);
    bar.set_style(style("  {prefix} [{bar:24}] {msg} {elapsed}").progress_chars("=> "));
    bar
}

/// The templates are constants; a wrong one shows as indicatif's default.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn message(workflow: &WorkflowView) -> String {
    let shards = workflow.shards;
    let done = format!("{}/{} shards", shards.succeeded, shards.total);
    let failed = match shards.failed + shards.lost {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    let place = match (workflow.status, workflow.datacenters.is_empty()) {
        (WorkflowStatus::Pending, _) | (_, true) => String::new(),
        (_, false) => format!(" in {}", workflow.datacenters.join(", ")),
    };
    format!("{done}{failed}{place}")
}

impl Shower for Live {
    fn event(&mut self, _: &JobEvent, job: Option<&JobView>) -> Result<(), Failure> {
        if let Some(job) = job {
            self.draw(job);
        }
        Ok(())
    }

    fn wants_state(&self) -> bool {
        true
    }

    fn end(&mut self, job: &JobView) {
        self.draw(job);
        for bar in self.bars.values() {
            bar.abandon();
        }
        self.head.finish_with_message(format!("{} {}", job.name, paint_status(self.out, job.status)));
    }
}

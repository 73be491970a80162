//! One round of calls to a job's manager, and what their answers mean.

use std::time::Duration;

use futures_util::future::join_all;
use muster_link::CallError;
use muster_runtime::crash_point;
use muster_wire::rpc::RpcError;
use muster_wire::rpc::worker::{ReportShardProgress, ReportShardResult};
use muster_wire::{JobId, NodeRef};

use std::sync::Arc;

use super::Shell;
use super::herald::Round;
use crate::store::At;

const PROGRESS_WITHIN: Duration = Duration::from_secs(2);
/// A manager answers a result when it is committed.
const RESULT_WITHIN: Duration = Duration::from_secs(5);

/// What a round came to. The worst answer counts; acknowledged results are gone from the queue in any case.
#[derive(Debug)]
pub(super) enum Outcome {
    /// All was taken.
    Told,
    /// Another manager leads.
    Moved(NodeRef),
    /// The job is over.
    Gone,
    /// Not reached, not willing, or nobody leads.
    Failed,
}

impl Shell {
    pub(super) async fn deliver(self: &Arc<Self>, job: JobId, round: Round) -> Outcome {
        let Some(target) = round.target else { return Outcome::Failed };
        // Windows go before the results: the last result may end the job.
        let progress = self.deliver_progress(&target, round.progress.as_ref()).await;
        let results = join_all(round.results.iter().map(|result| self.deliver_result(&target, result)));
        let mut outcomes = results.await;
        outcomes.extend(progress);
        if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Told)) {
            self.decide(|core, now, _| core.reached(job, now));
        }
        outcomes.into_iter().max_by_key(Outcome::weight).unwrap_or(Outcome::Told)
    }

    async fn deliver_result(self: &Arc<Self>, target: &NodeRef, result: &ReportShardResult) -> Outcome {
        match self.links.call_node(target, result, RESULT_WITHIN).await {
            Ok(reply) => {
                tracing::debug!(job = %result.job, key = ?result.key, ?reply, "a result was acknowledged");
                crash_point("worker.result_acknowledged");
                self.acknowledge(At::new(result.job, result.key)).await;
                Outcome::Told
            }
            Err(error) => Outcome::of(error),
        }
    }

    async fn acknowledge(self: &Arc<Self>, at: At) {
        let records = self.records.clone();
        self.on_disk(move || records.acknowledged(at)).await;
        self.engine().owed.remove(&at);
        self.decide(|core, now, _| core.acknowledged(at.job, at.key, now));
    }

    async fn deliver_progress(
        &self,
        target: &NodeRef,
        progress: Option<&ReportShardProgress>,
    ) -> Option<Outcome> {
        let progress = progress?;
        match self.links.call_node(target, progress, PROGRESS_WITHIN).await {
            Ok(_) => {
                self.samples.taken(progress.job, &progress.windows);
                Some(Outcome::Told)
            }
            Err(error) => Some(Outcome::of(error)),
        }
    }
}

impl Outcome {
    fn of(error: CallError) -> Self {
        tracing::debug!(%error, "a manager did not take news of a job");
        match error {
            CallError::Rpc(RpcError::NotLeader { leader: Some(leader) }) => Self::Moved(*leader),
            CallError::Rpc(RpcError::Gone { .. }) => Self::Gone,
            _ => Self::Failed,
        }
    }

    const fn weight(&self) -> u8 {
        match self {
            Self::Told => 0,
            Self::Failed => 1,
            Self::Moved(_) => 2,
            Self::Gone => 3,
        }
    }
}

//! Retirement: a group whose machine is only a tombstone is reported to the directory by its Raft leader; every node
//! destroys its copy when it applies that.

use std::sync::Arc;
use std::time::Duration;

use muster_machine::{Entry, Machine};
use muster_runtime::TaskKind;
use muster_wire::Token;

use super::Host;
use super::directory::DIRECTORY_JOB;
use super::slot::Slot;
use crate::directory::{RetireJobs, Retiring};

const RETIRE: TaskKind = TaskKind::vital("group_retire");
const EVERY: Duration = Duration::from_millis(500);
/// Jobs of one batch.
const BATCH_MAX: usize = 1000;
const WITHIN: Duration = Duration::from_secs(5);
/// Old tombstones are dropped by the directory's leader after so many rounds.
const PRUNE_ROUNDS: u64 = 120;

pub(crate) fn start<M: Machine>(host: &Arc<Host<M>>) {
    let host = host.clone();
    let scope = host.scope().clone();
    scope.spawn_until_stop(RETIRE, async move { host.retire().await });
}

impl<M: Machine> Host<M> {
    async fn retire(&self) {
        for round in 1_u64.. {
            muster_runtime::rest(EVERY).await;
            let jobs = self.retiring();
            if !jobs.is_empty() || self.is_prune_due(round) {
                self.retire_batch(jobs).await;
            }
        }
    }

    fn is_prune_due(&self, round: u64) -> bool {
        round.is_multiple_of(PRUNE_ROUNDS) && self.directory.is_leader()
    }

    fn retiring(&self) -> Vec<Retiring> {
        let view = self.directory.view();
        let led = self.led_slots().into_iter();
        let known = led.filter(|slot| view.state.job(slot.job()).is_some());
        known.filter_map(|slot| tombstone(&slot)).take(BATCH_MAX).collect()
    }

    /// Tried again in the next round when it fails.
    async fn retire_batch(&self, jobs: Vec<Retiring>) {
        let now_ms = self.clock().unix_ms();
        let keep_ms = u64::try_from(self.config.tombstone_keep.as_millis()).unwrap_or(u64::MAX);
        let entry = Entry::new(DIRECTORY_JOB, Token(0), now_ms).with(&RetireJobs { jobs, now_ms, keep_ms });
        let Ok(entry) = entry else { return };
        if let Err(error) = self.directory.propose(entry, WITHIN).await {
            tracing::info!(%error, "jobs are not yet retired, tried again");
        }
    }
}

/// What is left of a job that is over, to be reported.
pub(crate) fn tombstone<M: Machine>(slot: &Arc<Slot<M>>) -> Option<Retiring> {
    let group = slot.running()?;
    let retired = group.views.borrow().state.retired()?;
    Some(Retiring { job: slot.job(), status: retired.status, token: retired.token })
}

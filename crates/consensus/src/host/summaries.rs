//! Summaries of the jobs led here, for the directory's lists: at most one batch per second and node.

use std::sync::Arc;
use std::time::Duration;

use muster_machine::{Entry, Machine};
use muster_runtime::TaskKind;
use muster_wire::{JobId, Token};

use super::directory::DIRECTORY_JOB;
use super::slot::Slot;
use super::{Host, Summarizer};
use crate::directory::{Directory, JobSummary, SummarizeJobs};

const SUMMARIES: TaskKind = TaskKind::vital("job_summaries");
const EVERY: Duration = Duration::from_secs(1);
const BATCH_MAX: usize = 1000;
const WITHIN: Duration = Duration::from_secs(5);

pub(crate) fn start<M: Machine>(host: &Arc<Host<M>>) {
    let host = host.clone();
    let scope = host.scope().clone();
    scope.spawn_until_stop(SUMMARIES, async move { host.summarize().await });
}

impl<M: Machine> Host<M> {
    async fn summarize(&self) {
        loop {
            muster_runtime::rest(EVERY).await;
            let rows = self.summarizer().map(|by| self.changed_summaries(&by)).unwrap_or_default();
            if !rows.is_empty() {
                self.tell_summaries(rows).await;
            }
        }
    }

    fn changed_summaries(&self, by: &Summarizer<M>) -> Vec<(JobId, JobSummary)> {
        let known = self.directory.view().state;
        let summaries = self.led_slots().into_iter().filter_map(|slot| summary_of(&slot, by));
        summaries.filter(|(job, summary)| is_news(&known, *job, summary)).take(BATCH_MAX).collect()
    }

    async fn tell_summaries(&self, rows: Vec<(JobId, JobSummary)>) {
        let entry = Entry::new(DIRECTORY_JOB, Token(0), self.clock().unix_ms()).with(&SummarizeJobs { rows });
        let Ok(entry) = entry else { return };
        if let Err(error) = self.directory.propose(entry, WITHIN).await {
            tracing::debug!(%error, "summaries are not yet told, tried again");
        }
    }
}

fn summary_of<M: Machine>(slot: &Arc<Slot<M>>, by: &Summarizer<M>) -> Option<(JobId, JobSummary)> {
    let group = slot.running()?;
    let state = group.views.borrow().state.clone();
    (group.views.borrow().applied > 0).then(|| (slot.job(), by(&state)))
}

/// Has a job changed since the directory was told?
pub(crate) fn has_news<M: Machine>(known: &Directory, slot: &Arc<Slot<M>>, by: &Summarizer<M>) -> bool {
    summary_of(slot, by).is_some_and(|(job, summary)| is_news(known, job, &summary))
}

/// Would the directory take it?
fn is_news(known: &Directory, job: JobId, summary: &JobSummary) -> bool {
    let Some(row) = known.job(job) else { return false };
    row.summary.is_none_or(|old| (summary.version, summary.delivered) > (old.version, old.delivered))
}

//! Results on their way into the log. While one entry of a job is being committed, the results that come meanwhile
//! gather, and go together into the next one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use muster_machine::{EntryReply, Reason};
use muster_runtime::TaskKind;
use muster_wire::JobId;
use muster_wire::rpc::RpcError;
use muster_wire::rpc::worker::{ReportShardResult, ResultReply};
use tokio::sync::oneshot;

use crate::draft::{Draft, Pushed};
use crate::machine::commands::{RecordSubWorkflowResult, UpdateContext};
use crate::progress::close_windows;
use crate::settle::{settle_job, settle_workflows};
use crate::shared::{Committed, Shared};

const DRAIN: TaskKind = TaskKind::new("result_desk");
/// Results that wait for one job; more are `Busy`.
const WAITING_MAX: usize = 4_096;
/// Results in one entry.
const BATCH_MAX: usize = 64;
/// Context values, outputs and errors in one entry, bytes; a single result may have more.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Drafts made anew because the state had moved on.
const TRIES_MAX: usize = 4;
/// From the arrival of a result to its answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

type Answer = Result<ResultReply, RpcError>;

/// Results that wait, by job.
#[derive(Default)]
pub(crate) struct ResultDesk(Mutex<HashMap<JobId, VecDeque<Waiting>>>);

struct Waiting {
    report: ReportShardResult,
    answer: oneshot::Sender<Answer>,
}

impl ResultDesk {
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, VecDeque<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a result into the queue of its job; `true`: nobody drains that queue yet.
    fn put(&self, waiting: Waiting) -> Result<bool, RpcError> {
        let mut jobs = self.lock();
        let is_new = !jobs.contains_key(&waiting.report.job);
        let queue = jobs.entry(waiting.report.job).or_default();
        if queue.len() >= WAITING_MAX {
            metrics::counter!("muster_queue_rejected_total", "queue" => "results").increment(1);
            return Err(RpcError::Busy { retry_after_ms: 500 });
        }
        queue.push_back(waiting);
        Ok(is_new)
    }

    /// The next batch; an empty queue is taken away.
    fn take(&self, job: JobId) -> Vec<Waiting> {
        let mut jobs = self.lock();
        let Some(queue) = jobs.get_mut(&job) else { return Vec::new() };
        let many = fitting(queue.iter().map(|waiting| bytes_of(&waiting.report)));
        let batch: Vec<Waiting> = queue.drain(..many).collect();
        if batch.is_empty() {
            jobs.remove(&job);
        }
        batch
    }
}

/// How many of these sizes go into one entry: the first always does.
fn fitting(sizes: impl Iterator<Item = usize>) -> usize {
    let mut sum = 0_usize;
    let fits = sizes.take(BATCH_MAX).enumerate().take_while(|(position, bytes)| {
        sum = sum.saturating_add(*bytes);
        (*position == 0) | (sum <= BATCH_BYTES_MAX)
    });
    fits.count()
}

fn bytes_of(report: &ReportShardResult) -> usize {
    let outputs = report.outputs.iter().map(|(name, value)| name.len() + value.0.len());
    let context = report
        .context
        .iter()
        .map(|(name, value)| name.len() + value.as_ref().map_or(1, |value| value.0.len()));
    let error = report.exit.error.as_ref().map_or(0, String::len);
    outputs.chain(context).sum::<usize>() + error
}

/// Commits a result, with others of its job; the answer says what it came to.
pub(crate) async fn commit_result(shared: &Arc<Shared>, report: ReportShardResult) -> Answer {
    let job = report.job;
    shared.acting_view(job)?;
    let (answer, answered) = oneshot::channel();
    if shared.results.put(Waiting { report, answer })? {
        let desk = shared.clone();
        shared.scope.spawn_until_stop(DRAIN, async move { drain(&desk, job).await });
    }
    let unknown = || RpcError::Unknown { why: "the result was not committed in time".into() };
    match tokio::time::timeout(ANSWER_WITHIN, answered).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) | Err(_) => Err(unknown()),
    }
}

async fn drain(shared: &Arc<Shared>, job: JobId) {
    loop {
        let batch = shared.results.take(job);
        if batch.is_empty() {
            return;
        }
        let reports: Vec<&ReportShardResult> = batch.iter().map(|waiting| &waiting.report).collect();
        let answers = commit_batch(shared, job, &reports).await;
        for (waiting, answer) in batch.into_iter().zip(answers) {
            // The caller may have given up; the worker asks again.
            let _gone = waiting.answer.send(answer);
        }
    }
}

async fn commit_batch(shared: &Shared, job: JobId, reports: &[&ReportShardResult]) -> Vec<Answer> {
    for _ in 0..TRIES_MAX {
        let view = match shared.acting_view(job) {
            Ok(view) => view,
            Err(error) => return all(reports, &error),
        };
        let mut draft = Draft::new(job, &view, shared.clock.unix_ms());
        let pushed: Vec<Pushed> = reports.iter().map(|report| push(&mut draft, report)).collect();
        settle_workflows(&mut draft);
        settle_job(&mut draft);
        close_windows(shared, job, &mut draft);
        match shared.commit(job, draft).await {
            Committed::Nothing => return pushed.iter().map(|pushed| answer(pushed, None)).collect(),
            Committed::Done(reply) => {
                return pushed.iter().map(|pushed| answer(pushed, Some(&reply))).collect();
            }
            Committed::Undone(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            Committed::Failed(error) => return all(reports, &error.into()),
        }
    }
    all(reports, &RpcError::Busy { retry_after_ms: 100 })
}

fn all(reports: &[&ReportShardResult], error: &RpcError) -> Vec<Answer> {
    reports.iter().map(|_| Err(error.clone())).collect()
}

fn push(draft: &mut Draft, report: &ReportShardResult) -> Pushed {
    let pushed = draft.push(&record(report));
    let accepted = matches!(pushed, Pushed::At(_)) && report.exit.is_success();
    if accepted && !report.context.is_empty() {
        let (from, updates) = (Some(report.key), report.context.clone());
        draft.push(&UpdateContext { from, expected_version: None, updates });
    }
    pushed
}

fn record(report: &ReportShardResult) -> RecordSubWorkflowResult {
    RecordSubWorkflowResult {
        key: report.key,
        exit: report.exit.clone(),
        outputs: report.outputs.clone(),
        stats: report.stats.clone(),
        started_at_ms: report.started_at_ms,
        finished_at_ms: report.finished_at_ms,
    }
}

fn answer(pushed: &Pushed, reply: Option<&EntryReply>) -> Answer {
    let refusal = match pushed {
        Pushed::Same => None,
        Pushed::Refused(reason) => Some(reason),
        Pushed::At(at) => {
            reply.and_then(|reply| reply.outcomes.get(*at)).and_then(|outcome| outcome.rejection())
        }
    };
    match refusal {
        None => Ok(ResultReply::Recorded),
        Some(Reason::AlreadyRecorded) => Ok(ResultReply::AlreadyRecorded),
        // What cannot be recorded now cannot be later either: the worker drops it.
        Some(Reason::Stale | Reason::Gone { .. } | Reason::Malformed { .. }) => Ok(stale()),
        Some(Reason::Fenced { by }) => Err(RpcError::Fenced { by: *by }),
        Some(Reason::UnknownJob) => Err(RpcError::UnknownJob),
        Some(_) => Err(RpcError::Busy { retry_after_ms: 100 }),
    }
}

/// The result of an attempt that is not its shard's last.
pub(crate) fn stale() -> ResultReply {
    metrics::counter!("muster_fenced_total", "at" => "manager").increment(1);
    ResultReply::Stale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_bounded_in_number_and_bytes_and_never_empty() {
        assert_eq!(fitting([1; 1_000].into_iter()), BATCH_MAX);
        assert_eq!(fitting([BATCH_BYTES_MAX / 2; 5].into_iter()), 2);
        assert_eq!(fitting([BATCH_BYTES_MAX * 3, 1].into_iter()), 1);
        assert_eq!(fitting(std::iter::empty()), 0);
    }
}

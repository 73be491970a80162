//! What happens here is told to the gate that leads the job: progress at most once a second, each workflow's result and
//! the job's until acknowledged. Then this datacenter's part is purged.

use std::collections::BTreeSet;
use std::time::Duration;

use muster_link::CallError;
use muster_node::driver::Next;
use muster_wire::job::WorkflowStatus;
use muster_wire::rpc::gate::{ReportJob, ReportProgress, ReportWorkflow, Reporter, WorkflowReport};
use muster_wire::rpc::{Ack, Call, RpcError};
use muster_wire::{Token, WorkflowIx};
use tokio::time::Instant;

use super::forget::{Holder, purge};
use super::{Job, acting, reconciler};
use crate::machine::{JobRecord, Remote};
use crate::settle::STOP_DEADLINE_MS;
use crate::shared::{CALL_WITHIN, Shared};

/// What goes into the call that tells the end of a job, bytes; larger results go before it, by themselves.
const LAST_CALL_BYTES_MAX: usize = 256 * 1024;
/// A job that has ended by then is told once, as a whole.
const FIRST_AFTER: Duration = Duration::from_millis(100);
/// Time between two reports of progress.
const PERIOD: Duration = Duration::from_secs(1);
/// When a report without an acknowledgement is repeated.
const AGAIN: Duration = Duration::from_millis(500);
/// A result that the gates refuse, or fence, is kept for so long at least, ms.
const UNWANTED_KEPT_MS: u64 = 10 * 60 * 1_000;
/// When a report that was refused is repeated.
const AFTER_REFUSAL: Duration = Duration::from_secs(5);

/// What the gates know, or refused to hear. What was said under the tokens of an earlier gate or lease is said again under
/// new ones.
#[derive(Default)]
pub(super) struct Told {
    version: u64,
    at: Option<Instant>,
    workflows: BTreeSet<(Tokens, WorkflowIx)>,
}

/// The gate's token and the lease's.
type Tokens = (Token, Token);

const fn tokens(gate: &Remote) -> Tokens {
    (gate.remote_token, gate.dc_token)
}

reconciler!(
    /// Reports to the gates.
    Report, "report", remembers Told
);

/// What a report came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    /// Committed at the gates, or the gates have no use for it any more.
    Acknowledged,
    /// Asking again is useless for now.
    Refused,
    /// Said under a token that is not the newest: a newer one may be learnt, or a cancel comes.
    Fenced,
    /// Ask again.
    Unknown,
}

impl Report {
    async fn run(&self, job: &Job) -> Next {
        let Some((record, gate)) = acting(job).and_then(|record| Some((record, record.gate()?))) else {
            return Next::Idle;
        };
        let is_over = record.status().is_terminal();
        let kept = if is_over { LAST_CALL_BYTES_MAX } else { 0 };
        let (last, first) = split(self.untold(job, (record, gate)), kept);
        if let Some(next) = self.tell_workflows(job, (record, gate), first).await {
            return next;
        }
        match is_over {
            true => self.tell_job(job, (record, gate), last).await,
            false => self.tell_progress(job, (record, gate)).await,
        }
    }

    /// Results of ended workflows that the gates do not know.
    fn untold(&self, job: &Job, (record, gate): (&JobRecord, &Remote)) -> Vec<WorkflowReport> {
        let told = self.memory.with((job.job, job.term), |told| told.workflows.clone());
        let is_news = |ix: WorkflowIx| !told.contains(&(tokens(gate), ix));
        let ended = record.workflows().filter(|(ix, known)| is_final(known.status()) && is_news(*ix));
        let results = ended.filter_map(|(workflow, _)| {
            Some(WorkflowReport { workflow, result: record.workflow_result(workflow)? })
        });
        results.collect()
    }

    /// `None`: the gates know these, or have refused to.
    async fn tell_workflows(
        &self,
        job: &Job,
        (record, gate): (&JobRecord, &Remote),
        untold: Vec<WorkflowReport>,
    ) -> Option<Next> {
        for WorkflowReport { workflow, result } in untold {
            let call = ReportWorkflow { from: reporter(job, (record, gate)), workflow, result };
            match tell(&self.shared, gate, &call).await {
                Answer::Unknown => return Some(Next::After(AGAIN)),
                Answer::Fenced => {
                    return Some(self.unwanted(job, record).await.unwrap_or(Next::After(AGAIN)));
                }
                Answer::Acknowledged | Answer::Refused => self.note_workflow(job, (tokens(gate), workflow)),
            }
        }
        None
    }

    fn note_workflow(&self, job: &Job, workflow: (Tokens, WorkflowIx)) {
        self.memory.with((job.job, job.term), |told| told.workflows.insert(workflow));
    }

    async fn tell_job(
        &self,
        job: &Job,
        (record, gate): (&JobRecord, &Remote),
        results: Vec<WorkflowReport>,
    ) -> Next {
        let call = ReportJob {
            from: reporter(job, (record, gate)),
            workflows: record.summaries(),
            result: record.dc_result(),
            results,
        };
        match tell(&self.shared, gate, &call).await {
            Answer::Acknowledged => self.finish(job, record).await,
            Answer::Refused => self.unwanted(job, record).await.unwrap_or(Next::After(AFTER_REFUSAL)),
            Answer::Fenced => self.unwanted(job, record).await.unwrap_or(Next::After(AGAIN)),
            Answer::Unknown => Next::After(AGAIN),
        }
    }

    /// What the gates answered and would not have for so long is owed to nobody.
    async fn unwanted(&self, job: &Job, record: &JobRecord) -> Option<Next> {
        let finished_ms = record.times_ms().2?;
        let kept_ms = record.spec().retention_ms.max(UNWANTED_KEPT_MS);
        match job.now_ms() >= finished_ms.saturating_add(kept_ms) {
            true => Some(purge(&self.shared, job, (record, Holder::Acknowledged)).await),
            false => None,
        }
    }

    /// What still runs is stopped first, for a while.
    async fn finish(&self, job: &Job, record: &JobRecord) -> Next {
        let finished_ms = record.times_ms().2.unwrap_or_default();
        let patient = job.now_ms() < finished_ms.saturating_add(STOP_DEADLINE_MS);
        match patient && record.open_attempts().next().is_some() {
            true => Next::After(AGAIN),
            false => purge(&self.shared, job, (record, Holder::Acknowledged)).await,
        }
    }

    async fn tell_progress(&self, job: &Job, (record, gate): (&JobRecord, &Remote)) -> Next {
        let now = job.clock.now();
        let version = record.version();
        let (known, at) = self.memory.with((job.job, job.term), |told| (told.version, told.at));
        if known == version {
            return Next::Idle;
        }
        let age = Duration::from_millis(job.now_ms().saturating_sub(record.times_ms().0));
        let first = FIRST_AFTER.saturating_sub(age);
        let wait = at.map_or(first, |at| (at + PERIOD).saturating_duration_since(now));
        if !wait.is_zero() {
            return Next::After(wait);
        }
        let (status, workflows) = (record.status(), record.summaries());
        let call = ReportProgress { from: reporter(job, (record, gate)), status, workflows };
        let answer = tell(&self.shared, gate, &call).await;
        self.memory.with((job.job, job.term), |told| told.note(now, (version, answer)));
        after_progress(answer)
    }
}

/// The first results that together have at most so many bytes, and the rest.
fn split(untold: Vec<WorkflowReport>, bytes_max: usize) -> (Vec<WorkflowReport>, Vec<WorkflowReport>) {
    let mut bytes = 0_usize;
    untold.into_iter().partition(|told| {
        bytes = bytes.saturating_add(muster_wire::encode(told).map_or(usize::MAX, |told| told.len()));
        bytes <= bytes_max
    })
}

impl Told {
    fn note(&mut self, now: Instant, (version, answer): (u64, Answer)) {
        self.at = Some(now);
        if matches!(answer, Answer::Acknowledged | Answer::Refused) {
            self.version = version;
        }
    }
}

const fn after_progress(answer: Answer) -> Next {
    match answer {
        Answer::Acknowledged | Answer::Refused => Next::Idle,
        Answer::Unknown | Answer::Fenced => Next::After(PERIOD),
    }
}

/// `completed` is followed by a merge, at once.
fn is_final(status: WorkflowStatus) -> bool {
    status.is_terminal() && status != WorkflowStatus::Completed
}

fn reporter(job: &Job, (record, gate): (&JobRecord, &Remote)) -> Reporter {
    Reporter {
        job: job.job,
        datacenter: record.datacenter().to_owned(),
        dc_token: gate.dc_token,
        manager: job.me.clone(),
        manager_token: job.token(),
        forwarded: false,
    }
}

/// Tells the gate that leads the job, or any other that is known; follows one hint.
async fn tell<C: Call<Reply = Ack>>(shared: &Shared, gate: &Remote, call: &C) -> Answer {
    for addr in shared.gates.addresses(&gate.leader.addr) {
        match tell_one(shared, &addr, call).await {
            Answer::Unknown => {}
            answer => return answer,
        }
    }
    Answer::Unknown
}

async fn tell_one<C: Call<Reply = Ack>>(shared: &Shared, addr: &str, call: &C) -> Answer {
    let answer = shared.links.call(addr, call, CALL_WITHIN).await;
    match answer {
        Err(CallError::Rpc(RpcError::NotLeader { leader: Some(leader) })) => {
            interpret(shared.links.call(&leader.addr, call, CALL_WITHIN).await)
        }
        answer => interpret(answer),
    }
}

fn interpret(answer: Result<Ack, CallError>) -> Answer {
    match answer {
        Ok(Ack {}) | Err(CallError::Rpc(RpcError::Gone { .. })) => Answer::Acknowledged,
        Err(error) => failure(&error),
    }
}

fn failure(error: &CallError) -> Answer {
    tracing::debug!(%error, "a gate did not take a report");
    match error {
        CallError::Rpc(error) => refusal(error),
        CallError::TooLarge | CallError::Codec(_) => Answer::Refused,
        _ => Answer::Unknown,
    }
}

/// `Fenced` is not final: the result is sent again under the tokens that are learnt, or a cancel comes.
fn refusal(error: &RpcError) -> Answer {
    match error {
        RpcError::Fenced { .. } => {
            metrics::counter!("muster_fenced_total", "at" => "gate").increment(1);
            Answer::Fenced
        }
        RpcError::Refused { .. } | RpcError::Malformed(_) => {
            tracing::warn!(%error, "a gate refused a report");
            Answer::Refused
        }
        _ => Answer::Unknown,
    }
}

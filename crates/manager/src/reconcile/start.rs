//! Reserved and provisioned attempts are started, by a new leader again: a worker never starts one twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_link::CallError;
use muster_node::driver::Next;
use muster_runtime::crash_point;
use muster_wire::DispatchToken;
use muster_wire::job::{AttemptKey, AttemptState, Exit, ExitKind};
use muster_wire::rpc::worker::{StartReply, StartShard};

use super::calls::in_waves;
use super::{Job, acting, reconciler};
use crate::draft::Draft;
use crate::machine::commands::RecordSubWorkflowResult;
use crate::machine::{JobRecord, OpenAttempt};
use crate::progress::note_started;
use crate::run_spec::run_spec;
use crate::settle::{settle_job, settle_workflows};
use crate::shared::{CALL_WITHIN, Shared};

/// When a start without an answer is repeated.
const AGAIN: Duration = Duration::from_millis(500);

reconciler!(
    /// Starts attempts.
    Start, "start", remembers BTreeSet<DispatchToken>
);

/// What a start came to.
enum Started {
    Running(AttemptKey),
    Refused(AttemptKey, Exit),
    Unknown,
}

impl Start {
    async fn run(&self, job: &Job) -> Next {
        let Some(record) = acting(job) else { return Next::Idle };
        let owed = self.owed(job, record);
        let answers =
            in_waves(owed.iter().map(|attempt| start(&self.shared, job, (record, attempt))).collect()).await;
        let running: Vec<AttemptKey> = answers.iter().filter_map(Started::running).collect();
        self.remember(job, (&owed, &running));
        if !running.is_empty() {
            note_started(&self.shared, job.job, &running);
        }
        let unknown = answers.iter().any(|answer| matches!(answer, Started::Unknown));
        match (self.record_refusals(job, &answers).await, unknown) {
            (Next::Idle, true) => Next::After(AGAIN),
            (next, _) => next,
        }
    }

    /// Attempts that this leader has not started, without gangs that are not whole.
    fn owed(&self, job: &Job, record: &JobRecord) -> Vec<OpenAttempt> {
        let open: Vec<OpenAttempt> =
            record.open_attempts().filter(|open| is_unstarted(record, open)).collect();
        self.memory.with((job.job, job.term), |started| {
            let tokens: BTreeSet<DispatchToken> = open.iter().map(|open| open.dispatch).collect();
            started.retain(|token| tokens.contains(token));
            open.into_iter().filter(|open| !started.contains(&open.dispatch)).collect()
        })
    }

    fn remember(&self, job: &Job, (owed, running): (&[OpenAttempt], &[AttemptKey])) {
        let started =
            owed.iter().filter(|attempt| running.contains(&attempt.key)).map(|attempt| attempt.dispatch);
        self.memory.with((job.job, job.term), |known| known.extend(started));
    }

    /// A start that never happens uses up nothing.
    async fn record_refusals(&self, job: &Job, answers: &[Started]) -> Next {
        let mut draft = Draft::new(job.job, &job.view, job.now_ms());
        for (key, exit) in answers.iter().filter_map(Started::refusal) {
            self.shared.counts.note_refused();
            draft.push(&ended(*key, exit.clone(), job.now_ms()));
        }
        if draft.is_empty() {
            return Next::Idle;
        }
        settle_workflows(&mut draft);
        settle_job(&mut draft);
        self.shared.commit(job.job, draft).await.next()
    }
}

impl Started {
    const fn running(&self) -> Option<AttemptKey> {
        match self {
            Self::Running(key) => Some(*key),
            Self::Refused(..) | Self::Unknown => None,
        }
    }

    const fn refusal(&self) -> Option<(&AttemptKey, &Exit)> {
        match self {
            Self::Refused(key, exit) => Some((key, exit)),
            Self::Running(_) | Self::Unknown => None,
        }
    }
}

fn is_unstarted(record: &JobRecord, open: &OpenAttempt) -> bool {
    let waits = matches!(open.state, AttemptState::Reserved | AttemptState::Provisioned);
    let gang = record.spec().workflow(open.key.workflow).is_some_and(|workflow| workflow.gang);
    let held = gang && !record.workflow(open.key.workflow).is_some_and(|workflow| workflow.is_provisioned());
    waits && !held && !record.is_blocked(open.key.workflow)
}

async fn start(shared: &Shared, job: &Job, (record, attempt): (&JobRecord, &OpenAttempt)) -> Started {
    let run = match run_spec(record, attempt.key) {
        Ok(run) => run,
        Err(missing) => return failed_to_spawn(attempt.key, missing.to_string()),
    };
    let call = StartShard {
        job: job.job,
        token: job.token(),
        dispatch: attempt.dispatch,
        key: attempt.key,
        generation: attempt.worker.generation,
        manager: job.me.clone(),
        run,
    };
    crash_point("manager.assigned");
    let answer = shared.links.call_node(&attempt.worker, &call, CALL_WITHIN).await;
    crash_point("manager.started");
    interpret(shared, attempt, answer)
}

/// A key of the context that was deleted since the workflow became ready: this attempt fails.
fn failed_to_spawn(key: AttemptKey, why: String) -> Started {
    Started::Refused(key, Exit::because(ExitKind::SpawnFailed, why))
}

fn interpret(shared: &Shared, attempt: &OpenAttempt, answer: Result<StartReply, CallError>) -> Started {
    match answer {
        Ok(StartReply::Started { .. }) => {
            shared.counts.note_started();
            Started::Running(attempt.key)
        }
        Ok(StartReply::Refused { why }) => {
            Started::Refused(attempt.key, Exit::because(ExitKind::Refused, why))
        }
        Err(error) => {
            tracing::debug!(worker = attempt.worker.name, %error, "a start was not answered, it is repeated");
            Started::Unknown
        }
    }
}

fn ended(key: AttemptKey, exit: Exit, now_ms: u64) -> RecordSubWorkflowResult {
    let (outputs, stats) = (BTreeMap::new(), BTreeMap::new());
    RecordSubWorkflowResult { key, exit, outputs, stats, started_at_ms: 0, finished_at_ms: now_ms }
}

//! One task per job with something to tell: progress at most once a second, results until they are acknowledged.

use std::sync::Arc;
use std::time::Duration;

use muster_runtime::{Backoff, TaskKind};
use muster_wire::job::AttemptState;
use muster_wire::rpc::worker::{ProgressRow, ReportShardProgress, ReportShardResult, ShardWindow};
use muster_wire::{JobId, NodeId, NodeRef, Token};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::deliver::Outcome;
use super::{Engine, Running, Shell};
use crate::process::samples::Until;
use crate::store::At;

const HERALD: TaskKind = TaskKind::new("worker_herald");
/// Results under way to a manager at the same time, per job.
const RESULTS_AT_ONCE: usize = 32;
/// Between two progress calls.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// Progress without news: an empty call, whose answer shows that the manager is there.
const SILENCE_MOST: Duration = Duration::from_secs(5);
/// So many of those calls within the orphan's grace.
const CALLS_IN_GRACE: u32 = 6;
/// Hints followed without a pause.
const HINTS_MAX: u32 = 3;
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MOST: Duration = Duration::from_secs(2);

/// Something is to be told of a job: its herald is started, or looks again.
pub(super) fn wake(shell: &Arc<Shell>, engine: &mut Engine, job: JobId) {
    if let Some(wake) = engine.heralds.get(&job) {
        return wake.notify_one();
    }
    let wake = Arc::new(Notify::new());
    engine.heralds.insert(job, wake.clone());
    let herald = Herald::new(shell.clone(), job, wake);
    shell.scope.spawn_until_stop(HERALD, herald.run());
}

/// What is told in one round.
pub(super) struct Round {
    pub(super) target: Option<NodeRef>,
    pub(super) results: Vec<ReportShardResult>,
    pub(super) progress: Option<ReportShardProgress>,
}

struct Herald {
    shell: Arc<Shell>,
    job: JobId,
    wake: Arc<Notify>,
    backoff: Backoff,
    hints: u32,
    /// When progress was last told.
    told: Option<Instant>,
    /// Who has been told all of it, under which token.
    told_to: Option<(NodeId, Token)>,
    silence: Duration,
}

/// What comes after a round.
enum Next {
    /// The next round, now.
    Again,
    /// After this time, or earlier when something happens.
    Pause(Duration),
    /// After this time, or earlier when the job's leader is another than this one.
    Retry(Duration),
}

impl Herald {
    fn new(shell: Arc<Shell>, job: JobId, wake: Arc<Notify>) -> Self {
        let backoff = Backoff::new(RETRY_FIRST, RETRY_MOST);
        let silence = SILENCE_MOST.min(shell.config.limits.orphan_grace / CALLS_IN_GRACE);
        Self { shell, job, wake, backoff, hints: 0, told: None, told_to: None, silence }
    }

    async fn run(mut self) {
        while let Some(round) = self.round() {
            let before = round.target.clone();
            let next = match round.is_empty() {
                true => self.pause(),
                false => self.tell(round).await,
            };
            self.wait(next, before).await;
        }
    }

    /// The next round; `None`: nothing runs and nothing is owed, and the herald is struck off the list.
    fn round(&mut self) -> Option<Round> {
        let mut engine = self.shell.engine();
        let leader = engine.core.leader(self.job);
        let is_over = leader.is_none() || !engine.has_news(self.job);
        let Some((target, token)) = leader.filter(|_| !is_over) else {
            engine.heralds.remove(&self.job);
            self.shell.samples.forget(self.job);
            return None;
        };
        let results = engine.results(self.job, token);
        let to = target.as_ref().map(|target| (target.id, token));
        let rows = self.rows(&mut engine, to);
        let worker = self.shell.me.clone();
        let now_ms = self.shell.now().as_millis() as u64;
        let windows = self.windows(&engine, now_ms, rows.is_some());
        let wanted = rows.is_some() || !windows.is_empty();
        let rows = rows.unwrap_or_default();
        let progress = ReportShardProgress { job: self.job, token, worker, rows, clock_ms: now_ms, windows };
        Some(Round { target, results, progress: Some(progress).filter(|_| wanted) })
    }

    /// Windows of numbers to be told: all of them when the job's last attempt here has ended, else those that are over,
    /// not more often than progress.
    fn windows(&self, engine: &Engine, now_ms: u64, tells_rows: bool) -> Vec<ShardWindow> {
        let runs = engine.running.keys().any(|at| at.job == self.job);
        match (runs, tells_rows || self.silent_for() >= PROGRESS_EVERY) {
            (false, _) => self.shell.samples.closed(self.job, now_ms, Until::Now),
            (true, true) => self.shell.samples.closed(self.job, now_ms, Until::Closed),
            (true, false) => Vec::new(),
        }
    }

    /// Rows of attempts with news, or of all for a leader that was not told yet. `None`: there is nothing to tell now.
    fn rows(&self, engine: &mut Engine, to: Option<(NodeId, Token)>) -> Option<Vec<ProgressRow>> {
        let silent = self.silent_for();
        if silent < PROGRESS_EVERY {
            return None;
        }
        let mut running = engine.running.iter_mut().filter(|(at, _)| at.job == self.job).peekable();
        running.peek()?;
        let all = self.told_to != to;
        let news = running.filter(|(_, running)| all || running.has_news());
        let rows: Vec<ProgressRow> = news.map(|(at, running)| running.row(*at)).collect();
        (!rows.is_empty() || silent >= self.silence).then_some(rows)
    }

    fn silent_for(&self) -> Duration {
        let now = self.shell.clock.now();
        self.told.map_or(Duration::MAX, |told| now.saturating_duration_since(told))
    }

    /// Until progress may be told again.
    fn pause(&self) -> Next {
        match PROGRESS_EVERY.saturating_sub(self.silent_for()) {
            Duration::ZERO => Next::Pause(PROGRESS_EVERY),
            left => Next::Pause(left),
        }
    }

    async fn tell(&mut self, round: Round) -> Next {
        let target = round.target.as_ref().map(|target| target.id);
        let token = round.progress.as_ref().map(|progress| progress.token);
        let outcome = self.shell.deliver(self.job, round).await;
        if let Some(token) = token {
            let heard = matches!(outcome, Outcome::Told);
            self.told = Some(self.shell.clock.now());
            self.told_to = target.filter(|_| heard).map(|target| (target, token));
        }
        match outcome {
            Outcome::Told => self.go_on(),
            Outcome::Moved(manager) => self.follow(manager),
            Outcome::Gone => self.give_up(),
            Outcome::Failed => self.search().await,
        }
    }

    fn go_on(&mut self) -> Next {
        self.backoff.reset();
        self.hints = 0;
        match self.shell.engine().owes(self.job) {
            true => Next::Again,
            false => self.pause(),
        }
    }

    fn follow(&mut self, manager: NodeRef) -> Next {
        let job = self.job;
        self.shell.decide(|core, _, _| core.led_by(job, manager, None));
        self.hints += 1;
        match self.hints > HINTS_MAX {
            true => Next::Retry(self.backoff.next_delay()),
            false => Next::Again,
        }
    }

    fn give_up(&self) -> Next {
        let job = self.job;
        self.shell.decide(|core, _, out| core.gone(job, out));
        self.pause()
    }

    /// The known manager does not take it: somebody else may lead.
    async fn search(&mut self) -> Next {
        let before = self.shell.leader(self.job);
        self.shell.find_leader(self.job).await;
        self.hints = 0;
        match self.shell.leader(self.job) == before {
            true => Next::Retry(self.backoff.next_delay()),
            false => Next::Again,
        }
    }

    async fn wait(&self, next: Next, before: Option<NodeRef>) {
        match next {
            Next::Again => {}
            Next::Pause(time) => drop(tokio::time::timeout(time, self.wake.notified()).await),
            Next::Retry(time) => drop(tokio::time::timeout(time, self.until_moved(before)).await),
        }
    }

    async fn until_moved(&self, before: Option<NodeRef>) {
        let is_same = |leader: Option<(Option<NodeRef>, Token)>| leader.is_some_and(|(now, _)| now == before);
        while is_same(self.shell.leader(self.job)) {
            self.wake.notified().await;
        }
    }
}

impl Round {
    fn is_empty(&self) -> bool {
        self.results.is_empty() && self.progress.is_none()
    }
}

impl Engine {
    fn has_news(&self, job: JobId) -> bool {
        self.owes(job) || self.running.keys().any(|at| at.job == job)
    }

    fn owes(&self, job: JobId) -> bool {
        self.owed.keys().any(|at| at.job == job)
    }

    /// The oldest results that are owed, under the newest token.
    fn results(&self, job: JobId, token: Token) -> Vec<ReportShardResult> {
        let owed = self.owed.iter().filter(|(at, _)| at.job == job).take(RESULTS_AT_ONCE);
        owed.map(|(_, owed)| ReportShardResult { token, ..owed.report.clone() }).collect()
    }
}

impl Running {
    fn has_news(&self) -> bool {
        self.sequence == 0 || self.report.has_changed().unwrap_or(false)
    }

    fn row(&mut self, at: At) -> ProgressRow {
        self.sequence += 1;
        let report = self.report.borrow_and_update();
        ProgressRow {
            key: at.key,
            sequence: self.sequence,
            state: AttemptState::Running,
            fraction: report.fraction,
            started_at_ms: self.started_at_ms,
            stats: report.stats.clone(),
        }
    }
}

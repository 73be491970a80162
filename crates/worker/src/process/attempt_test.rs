use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use muster_runtime::{CancellationToken, Clock, TaskKind, TaskScope};
use muster_wire::job::{AttemptKey, ExitKind};
use muster_wire::rpc::worker::{RunSpec, StartShard};
use muster_wire::spec::ContextValue;
use muster_wire::{
    Attempt, DispatchToken, Generation, JobId, MemberNumber, NodeId, NodeRef, Shard, Token, WorkflowIx,
};
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};

use super::attempt::{Controls, Ended, Launch, run};
use super::leftovers;
use super::report::Report;
use crate::core::{Stop, StopCause};

const SOON: Duration = Duration::from_secs(20);
const KIND: TaskKind = TaskKind::new("test");

fn spec(script: &str) -> RunSpec {
    RunSpec {
        workflow: "prepare".into(),
        shards: 4,
        cores: 1,
        command: vec!["sh".into(), "-c".into(), script.into()],
        env: BTreeMap::from([("COLOUR".into(), "blue".into())]),
        timeout_ms: 20_000,
        grace_ms: 200,
        context: BTreeMap::from([
            ("region".into(), ContextValue::string("eu")),
            ("size".into(), ContextValue::value(&serde_json::json!(7))),
        ]),
        context_version: 3,
    }
}

fn order(run: RunSpec) -> StartShard {
    let manager = NodeRef {
        id: NodeId(1),
        generation: Generation(1),
        member: MemberNumber(1),
        name: "m1".into(),
        addr: String::new(),
    };
    StartShard {
        job: JobId(9),
        token: Token(5),
        dispatch: DispatchToken::new(Token(5), 2),
        key: AttemptKey { workflow: WorkflowIx(0), shard: Shard(1), attempt: Attempt(2) },
        generation: Generation(1),
        manager,
        run,
    }
}

fn sampler() -> super::samples::Sampler {
    let clock = Clock::system();
    let (job, workflow) = (muster_wire::JobId(1), muster_wire::WorkflowIx(0));
    super::samples::Sampler { samples: Arc::default(), epoch: clock.now(), clock, job, workflow }
}

/// An attempt in a folder of its own.
struct Try {
    home: TempDir,
    scope: TaskScope,
    stop: watch::Sender<Option<Stop>>,
    report: watch::Receiver<Report>,
    ended: oneshot::Receiver<Ended>,
}

impl Try {
    fn start(run_spec: RunSpec) -> Self {
        Self::start_with(run_spec, 1 << 20)
    }

    fn start_with(run_spec: RunSpec, log_bytes_max: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap();
        let launch = Launch {
            order: Box::new(order(run_spec)),
            folder: root.join("jobs/one"),
            log: root.join("logs/one.log"),
            log_bytes_max,
            inherit: Arc::new(super::spawn::inherited()),
            clock: Clock::system(),
            sampler: sampler(),
            tail: super::log::LiveTail::default(),
        };
        let (stop, orders) = watch::channel(None);
        let (tell, report) = watch::channel(Report::default());
        let (done, ended) = oneshot::channel();
        let scope = TaskScope::new();
        scope.spawn(KIND, |abort: CancellationToken| async move {
            let outcome = run(&launch, Controls { stop: orders, report: tell, abort }).await;
            let _ = done.send(outcome);
        });
        Self { home, scope, stop, report, ended }
    }

    async fn end(&mut self) -> Ended {
        tokio::time::timeout(SOON, &mut self.ended).await.unwrap().unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("logs/one.log")).unwrap()
    }

    fn jobs(&self) -> std::path::PathBuf {
        self.home.path().canonicalize().unwrap().join("jobs")
    }

    fn work(&self) -> std::path::PathBuf {
        self.jobs().join("one/work")
    }

    async fn until_there(&self, path: &Path) {
        until(|| path.exists()).await;
    }
}

async fn until(condition: impl Fn() -> bool) {
    tokio::time::timeout(SOON, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

fn nobody_of(jobs: &Path) -> bool {
    leftovers::find(jobs).is_empty()
}

#[tokio::test]
async fn a_process_has_its_output_in_the_log_and_its_exit_code_told() {
    let mut one = Try::start(spec("echo out; echo err >&2; exit 3"));
    let ended = one.end().await;
    assert_eq!((ended.exit.kind, ended.exit.code), (ExitKind::Exited, Some(3)));
    assert_eq!(ended.exit.error.as_deref(), Some("exit code 3: err"));
    let log = one.log();
    assert!(log.contains("out\n") && log.contains("err\n"), "{log}");
    assert!(ended.started_at_ms > 0 && ended.finished_at_ms >= ended.started_at_ms);
}

#[tokio::test]
async fn a_program_that_is_not_there_fails_to_spawn() {
    let mut missing = spec("");
    missing.command = vec!["/no/such/program".into()];
    let ended = Try::start(missing).end().await;
    assert_eq!((ended.exit.kind, ended.started_at_ms), (ExitKind::SpawnFailed, 0));
    assert!(ended.exit.error.unwrap().contains("/no/such/program"));
}

#[tokio::test]
async fn a_process_is_told_who_it_is() {
    let script = "echo $MUSTER_JOB_ID $MUSTER_WORKFLOW $MUSTER_SHARD/$MUSTER_SHARDS $MUSTER_ATTEMPT $MUSTER_FENCE $COLOUR; \
                  cat $MUSTER_CONTEXT; pwd";
    let mut one = Try::start(spec(script));
    assert!(one.end().await.exit.is_success());
    let log = one.log();
    let fence = DispatchToken::new(Token(5), 2);
    assert!(log.starts_with(&format!("{} prepare 1/4 2 {fence} blue\n", JobId(9))), "{log}");
    assert!(log.contains(r#"{"region":"eu","size":7}"#), "{log}");
    assert!(log.trim_end().ends_with(one.work().to_str().unwrap()), "{log}");
}

#[tokio::test]
async fn lines_of_the_protocol_are_reports_and_no_log() {
    let script = r#"echo '::muster {"progress": 0.5, "stats": {"rows": 10}}'
        echo plain
        echo '::muster {"context": {"a": "x"}, "output": {"n": 7}}'
        echo '::muster {"progress": 9}'"#;
    let mut one = Try::start(spec(script));
    let ended = one.end().await;
    assert_eq!(ended.report.fraction, 0.5);
    assert_eq!(ended.report.stats["rows"].sum, 10.0);
    assert_eq!(ended.report.context["a"], Some(ContextValue::string("x")));
    assert_eq!(ended.report.outputs["n"].to_plain(), "7");
    assert_eq!(one.log(), "plain\n[muster: refused: progress 9 is not between 0 and 1]\n");
}

#[tokio::test]
async fn progress_is_told_while_the_process_runs() {
    let mut one =
        Try::start(spec(r#"echo '::muster {"progress": 0.25}'; while [ ! -e go ]; do sleep 0.01; done"#));
    let told = one.report.wait_for(|report| report.fraction == 0.25);
    tokio::time::timeout(SOON, told).await.unwrap().unwrap();
    std::fs::write(one.work().join("go"), b"").unwrap();
    assert!(one.end().await.exit.is_success());
}

#[tokio::test]
async fn a_timeout_kills_the_grandchildren_too() {
    let mut stubborn = spec(
        "trap '' TERM; sh -c \"trap '' TERM; while :; do sleep 0.05; done\" & while :; do sleep 0.05; done",
    );
    stubborn.timeout_ms = 300;
    stubborn.grace_ms = 100;
    let mut one = Try::start(stubborn);
    let ended = one.end().await;
    assert_eq!(ended.exit.kind, ExitKind::TimedOut);
    until(|| nobody_of(&one.jobs())).await;
}

#[tokio::test]
async fn nothing_outlives_the_main_process() {
    let mut one = Try::start(spec("sleep 1000 & exit 0"));
    assert!(one.end().await.exit.is_success());
    until(|| nobody_of(&one.jobs())).await;
}

#[tokio::test]
async fn a_stop_lets_the_process_end_in_its_grace() {
    let mut one = Try::start(spec("trap 'echo bye; exit 0' TERM; touch ready; while :; do sleep 0.01; done"));
    one.until_there(&one.work().join("ready")).await;
    one.stop.send_replace(Some(Stop { cause: StopCause::Cancelled, grace_ms: Some(20_000) }));
    let ended = one.end().await;
    assert_eq!((ended.exit.kind, ended.exit.code), (ExitKind::Cancelled, Some(0)));
    assert!(one.log().contains("bye"));
}

#[tokio::test]
async fn the_end_of_the_scope_kills_at_once() {
    let mut one = Try::start(spec("trap '' TERM; touch ready; while :; do sleep 0.01; done"));
    one.until_there(&one.work().join("ready")).await;
    one.scope.cancel();
    assert_eq!(one.end().await.exit.kind, ExitKind::Lost);
}

#[tokio::test]
async fn a_log_stays_within_its_bound() {
    let mut one =
        Try::start_with(spec("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done"), 4096);
    assert!(one.end().await.exit.is_success());
    let log = one.log();
    assert!(log.len() < 4300 && log.starts_with("line 0\n") && log.ends_with("line 2999\n"));
    assert!(log.contains("bytes left out"));
}

#[tokio::test]
async fn processes_of_an_earlier_start_are_found_by_their_context_and_killed() {
    let one = Try::start(spec("touch ready; sleep 1000"));
    one.until_there(&one.work().join("ready")).await;
    assert!(leftovers::kill_all(&one.jobs()).await > 0);
    until(|| nobody_of(&one.jobs())).await;
}

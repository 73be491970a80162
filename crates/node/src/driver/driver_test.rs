use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use imbl::OrdMap;
use muster_consensus::View;
use muster_machine::{Machine, Retired, Table};
use muster_runtime::TaskScope;
use muster_wire::{CodecError, JobId, Token};
use tokio::sync::{mpsc, watch};

use super::round::{Groups, Moment, Plan, Run};
use super::supervisor::{self, Jobs};
use super::{DriverConfig, Next};

const SOON: Duration = Duration::from_secs(20);
const JOB: JobId = JobId(7);
/// No leader of these tests has a later term.
const TERM: u64 = 99;

#[derive(Clone, Default)]
struct Nothing;

impl Machine for Nothing {
    const TIER: &'static str = "test";

    fn table() -> &'static Table<Self> {
        unimplemented_table()
    }
    fn token(&self) -> Token {
        Token(0)
    }
    fn next_due_ms(&self) -> Option<u64> {
        None
    }
    fn retired(&self) -> Option<Retired> {
        None
    }
    fn encode(&self) -> Result<Vec<u8>, CodecError> {
        Ok(Vec::new())
    }
    fn restore(_bytes: &[u8]) -> Result<Self, CodecError> {
        Ok(Self)
    }
}

fn unimplemented_table() -> &'static Table<Nothing> {
    panic!("no commands in these tests")
}

fn view(applied: u64) -> View<Nothing> {
    view_of(applied, TERM)
}

fn view_of(applied: u64, term: u64) -> View<Nothing> {
    View { state: Arc::new(Nothing), applied, term, at_ms: 0, age: Duration::ZERO }
}

/// A stand-in for the coordinator.
struct Fake {
    led: watch::Sender<Arc<OrdMap<JobId, u64>>>,
    views: Mutex<Option<watch::Sender<View<Nothing>>>>,
}

impl Fake {
    fn new() -> Arc<Self> {
        let views = Mutex::new(Some(watch::Sender::new(view(1))));
        Arc::new(Self { led: watch::Sender::default(), views })
    }

    fn lead(&self, led: &[(JobId, u64)]) {
        self.led.send_replace(Arc::new(led.iter().copied().collect()));
    }

    fn apply(&self, applied: u64) {
        self.show(view(applied));
    }
    fn show(&self, view: View<Nothing>) {
        self.views.lock().unwrap().as_ref().unwrap().send_replace(view);
    }

    fn replace_views(&self, applied: u64) {
        *self.views.lock().unwrap() = Some(watch::Sender::new(view(applied)));
    }
}

impl Groups<Nothing> for Fake {
    fn led(&self) -> watch::Receiver<Arc<OrdMap<JobId, u64>>> {
        self.led.subscribe()
    }

    fn watch(&self, _job: JobId) -> Option<watch::Receiver<View<Nothing>>> {
        self.views.lock().unwrap().as_ref().map(watch::Sender::subscribe)
    }
}

type Told = (u64, u64);

/// Tells each run's term and applied index, and answers `next`.
struct Teller {
    told: mpsc::Sender<Told>,
    next: fn(u32) -> Next,
    runs: AtomicU32,
    active: AtomicU32,
    stall: bool,
}

impl Run<Nothing> for Teller {
    fn name(&self) -> &'static str {
        "teller"
    }

    fn run(&self, at: Moment<Nothing>) -> BoxFuture<'_, Next> {
        async move {
            assert_eq!(self.active.fetch_add(1, Ordering::SeqCst), 0, "two runs at a time");
            let _active = Decrement(&self.active);
            self.told.send((at.term, at.view.applied)).await.unwrap();
            if self.stall {
                std::future::pending::<()>().await;
            }
            (self.next)(self.runs.fetch_add(1, Ordering::SeqCst))
        }
        .boxed()
    }
}

struct Decrement<'a>(&'a AtomicU32);

impl Drop for Decrement<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Bench {
    fake: Arc<Fake>,
    told: mpsc::Receiver<Told>,
    jobs: Arc<Jobs>,
    scope: TaskScope,
}

fn bench(config: DriverConfig, next: fn(u32) -> Next, stall: bool) -> Bench {
    let (sender, told) = mpsc::channel(64);
    let teller = Teller { told: sender, next, runs: AtomicU32::new(0), active: AtomicU32::new(0), stall };
    let (fake, scope) = (Fake::new(), TaskScope::new());
    let plan = Plan { config, runs: vec![Arc::new(teller) as Arc<dyn Run<Nothing>>], groups: fake.clone() };
    let jobs = supervisor::start(plan, &scope);
    Bench { fake, told, jobs, scope }
}

fn slow() -> DriverConfig {
    DriverConfig { period: Duration::from_secs(3600), ..DriverConfig::default() }
}

impl Bench {
    async fn next(&mut self) -> Told {
        tokio::time::timeout(SOON, self.told.recv()).await.unwrap().unwrap()
    }

    async fn until(&self, condition: impl Fn(&Self) -> bool) {
        tokio::time::timeout(SOON, async {
            while !condition(self) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .unwrap();
    }

    fn job_tasks(&self) -> usize {
        self.scope.running().iter().find(|(kind, _)| *kind == "driver_job").map_or(0, |(_, count)| *count)
    }
}

#[tokio::test]
async fn a_led_job_is_run_at_once_and_at_each_change() {
    let mut bench = bench(slow(), |_| Next::Idle, false);
    bench.fake.lead(&[(JOB, 3)]);
    assert_eq!(bench.next().await, (3, 1));
    bench.fake.apply(2);
    assert_eq!(bench.next().await, (3, 2));
}

#[tokio::test]
async fn a_new_leader_acts_only_once_it_knows_what_the_last_one_did() {
    let mut bench = bench(slow(), |_| Next::Idle, false);
    bench.fake.show(view_of(1, 2));
    bench.fake.lead(&[(JOB, 3)]);
    bench.until(|bench| bench.job_tasks() == 1).await;
    bench.fake.show(view_of(2, 2));
    tokio::task::yield_now().await;
    bench.fake.show(view_of(3, 3));
    assert_eq!(bench.next().await, (3, 3));
}

#[tokio::test]
async fn a_poke_runs_a_job_again() {
    let mut bench = bench(slow(), |_| Next::Idle, false);
    bench.fake.lead(&[(JOB, 3)]);
    bench.next().await;
    bench.jobs.poke(JOB);
    assert_eq!(bench.next().await, (3, 1));
}

#[tokio::test]
async fn more_to_do_runs_again_at_once() {
    let mut bench = bench(slow(), |run| if run < 9 { Next::Again } else { Next::Idle }, false);
    bench.fake.lead(&[(JOB, 3)]);
    for _ in 0..10 {
        assert_eq!(bench.next().await, (3, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn time_alone_runs_an_idle_job_again() {
    let mut bench = bench(DriverConfig::default(), |_| Next::Idle, false);
    bench.fake.lead(&[(JOB, 3)]);
    for _ in 0..40 {
        assert_eq!(bench.told.recv().await, Some((3, 1)));
    }
}

#[tokio::test]
async fn lost_leadership_ends_the_task_in_the_middle_of_a_run() {
    let mut bench = bench(slow(), |_| Next::Idle, true);
    bench.fake.lead(&[(JOB, 3)]);
    bench.next().await;
    bench.fake.lead(&[]);
    bench.until(|bench| bench.jobs.len() == 0 && bench.job_tasks() == 0).await;
}

#[tokio::test]
async fn a_new_term_starts_over_without_two_runs_at_a_time() {
    let mut bench = bench(slow(), |_| Next::Idle, true);
    for term in 1..20 {
        bench.fake.lead(&[(JOB, term)]);
        assert_eq!(bench.next().await.0, term);
    }
    bench.until(|bench| bench.job_tasks() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_hangs_is_given_up_and_run_again() {
    let mut bench = bench(slow(), |_| Next::Idle, true);
    bench.fake.lead(&[(JOB, 3)]);
    assert_eq!(bench.told.recv().await, Some((3, 1)));
    assert_eq!(bench.told.recv().await, Some((3, 1)));
}

#[tokio::test]
async fn a_panic_is_one_failed_run() {
    let config = DriverConfig { rest: Duration::from_millis(1), ..slow() };
    let mut bench = bench(config, |run| if run == 0 { panic!("on purpose") } else { Next::Idle }, false);
    bench.fake.lead(&[(JOB, 3)]);
    bench.next().await;
    assert_eq!(bench.next().await, (3, 1));
}

#[tokio::test]
async fn a_reloaded_replica_is_followed() {
    let config = DriverConfig { rest: Duration::from_millis(1), ..slow() };
    let mut bench = bench(config, |_| Next::Idle, false);
    bench.fake.lead(&[(JOB, 3)]);
    bench.next().await;
    bench.fake.replace_views(9);
    assert_eq!(bench.next().await, (3, 9));
}

#[tokio::test]
async fn shutdown_ends_every_task() {
    let mut bench = bench(slow(), |_| Next::Idle, true);
    bench.fake.lead(&[(JOB, 3), (JobId(8), 1)]);
    bench.next().await;
    bench.scope.shutdown(SOON).await.unwrap();
    bench.until(|bench| bench.scope.running().is_empty()).await;
}

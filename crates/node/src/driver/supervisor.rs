//! Starts a task for each job that comes to be led here, and ends it when the leadership goes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use muster_machine::Machine;
use muster_runtime::{CancellationToken, TaskKind, TaskScope};
use muster_wire::JobId;

use super::Wake;
use super::round::{Led, Plan, drive};

const SUPERVISOR: TaskKind = TaskKind::vital("driver");
const JOB: TaskKind = TaskKind::new("driver_job");

/// The jobs driven now.
#[derive(Default)]
pub(super) struct Jobs(Mutex<HashMap<JobId, Driven>>);

struct Driven {
    wake: Wake,
    stop: CancellationToken,
    /// Cancelled when the task has ended.
    ended: CancellationToken,
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Driven>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn poke(&self, job: JobId) {
        if let Some(driven) = self.lock().get(&job) {
            driven.wake.poke();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Ends a job's task; gives what a successor has to wait for.
    fn end(&self, job: JobId) -> Option<CancellationToken> {
        Some(self.lock().remove(&job)?.end())
    }
}

impl Driven {
    fn end(self) -> CancellationToken {
        self.stop.cancel();
        self.ended
    }
}

/// Starts the supervisor; gives the jobs that it drives.
pub(super) fn start<M: Machine>(plan: Plan<M>, scope: &TaskScope) -> Arc<Jobs> {
    let jobs = Arc::new(Jobs::default());
    let shop = Shop { plan: Arc::new(plan), jobs: jobs.clone(), scope: scope.clone() };
    scope.spawn_until_stop(SUPERVISOR, async move { shop.supervise().await });
    jobs
}

struct Shop<M> {
    plan: Arc<Plan<M>>,
    jobs: Arc<Jobs>,
    scope: TaskScope,
}

impl<M: Machine> Shop<M> {
    async fn supervise(&self) {
        let mut led = self.plan.groups.led();
        let mut before = Arc::<OrdMap<JobId, u64>>::default();
        loop {
            let now = led.borrow_and_update().clone();
            self.follow(&before, &now);
            before = now;
            if led.changed().await.is_err() {
                break;
            }
        }
        self.follow(&before, &OrdMap::new());
    }

    /// Makes the tasks equal to what is led: cost follows the change, not the number of jobs.
    fn follow(&self, before: &OrdMap<JobId, u64>, now: &OrdMap<JobId, u64>) {
        for change in before.diff(now) {
            match change {
                DiffItem::Add(job, term) => self.begin(*job, *term),
                DiffItem::Update { new: (job, term), .. } => self.begin(*job, *term),
                DiffItem::Remove(job, _) => drop(self.jobs.end(*job)),
            }
        }
        metrics::gauge!("muster_jobs_driven").set(self.jobs.len() as f64);
    }

    /// One task; it waits for its predecessor of an earlier term, so that no reconciler runs twice at a time.
    fn begin(&self, job: JobId, term: u64) {
        let predecessor = self.jobs.end(job);
        let led = Led { job, term, wake: Wake::new() };
        let (stop, ended) = (self.scope.stop_token().child_token(), CancellationToken::new());
        let driven = Driven { wake: led.wake.clone(), stop: stop.clone(), ended: ended.clone() };
        self.jobs.lock().insert(led.job, driven);
        let (plan, ended) = (self.plan.clone(), ended.drop_guard());
        self.scope.spawn(JOB, |_| async move {
            let _ended = ended;
            if let Some(predecessor) = predecessor {
                predecessor.cancelled().await;
            }
            stop.run_until_cancelled(drive(&plan, &led)).await;
        });
    }
}

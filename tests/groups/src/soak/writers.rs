//! Clients that retry for two seconds, and remember what was acknowledged.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::future::join_all;
use muster_wire::JobId;
use tokio::time::Instant;

use crate::calls::{GetAt, PutAt};
use crate::cluster::{Cluster, new_job};
use crate::load;

/// How long a client goes on asking before it calls the call failed.
pub(super) const RETRIES_FOR: Duration = Duration::from_secs(2);
const TRY_MS: u64 = 300;
const READ_MS: u64 = 5000;

/// Jobs with one writer each; a writer's values only rise.
pub(super) struct Writers {
    jobs: Vec<JobId>,
    acked: Vec<AtomicU64>,
    failed: AtomicU64,
    written: AtomicU64,
    longest_us: AtomicU64,
    stop: AtomicBool,
}

impl Writers {
    /// Creates the jobs.
    pub(super) async fn new(cluster: &Cluster, count: usize) -> anyhow::Result<Self> {
        let jobs: Vec<JobId> = (0..count).map(|_| new_job()).collect();
        let (all, nodes) = (&jobs, cluster.running());
        let made = load::of_number(8, count, |at| cluster.create(nodes[at % nodes.len()], all[at])).await;
        anyhow::ensure!(made.count() == count, "not every job was created");
        let acked = (0..count).map(|_| AtomicU64::new(0)).collect();
        let (failed, written, longest_us) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { jobs, acked, failed, written, longest_us, stop: AtomicBool::new(false) })
    }

    /// The first writer's job.
    pub(super) fn job(&self) -> JobId {
        self.jobs[0]
    }

    /// All jobs.
    pub(super) fn jobs(&self) -> &[JobId] {
        &self.jobs
    }

    /// Writes through the nodes in turn until told to stop.
    pub(super) async fn run(&self, cluster: &Cluster, nodes: &[usize]) {
        join_all((0..self.jobs.len()).map(|at| self.write(cluster, nodes, at))).await;
    }

    async fn write(&self, cluster: &Cluster, nodes: &[usize], at: usize) {
        let mut last = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            let next = self.acked[at].load(Ordering::Relaxed) + 1;
            match self.put_with_retries(cluster, nodes, (at, next)).await {
                true => self.note(at, next, last.elapsed()),
                false => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
            }
            last = Instant::now();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn note(&self, at: usize, value: u64, took: Duration) {
        self.acked[at].store(value, Ordering::Relaxed);
        self.written.fetch_add(1, Ordering::Relaxed);
        self.longest_us.fetch_max(took.as_micros() as u64, Ordering::Relaxed);
    }

    async fn put_with_retries(&self, cluster: &Cluster, nodes: &[usize], (at, value): (usize, u64)) -> bool {
        let begun = Instant::now();
        for turn in at.. {
            let value = Bytes::copy_from_slice(&value.to_be_bytes());
            let put = PutAt { job: self.jobs[at], key: 0, value, within_ms: TRY_MS };
            if cluster.put(nodes[turn % nodes.len()], put).await.is_ok() {
                return true;
            }
            if begun.elapsed() > RETRIES_FOR {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    /// Like [`Writers::run`], for runs in which calls may fail for longer than a client retries.
    pub(super) async fn run_tolerant(&self, cluster: &Cluster, nodes: &[usize]) {
        self.run(cluster, nodes).await;
        self.failed.store(0, Ordering::Relaxed);
    }

    /// The writers may run again.
    pub(super) fn go_on(&self) {
        self.stop.store(false, Ordering::Relaxed);
    }

    /// Tells the writers to stop.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Every acknowledged value, or a later one that was not, is found by a linearizable read at every node.
    pub(super) async fn check(&self, cluster: &Cluster) -> anyhow::Result<String> {
        for at in cluster.running() {
            for (job, acked) in self.jobs.iter().zip(&self.acked) {
                let found = value_at(cluster, at, *job).await?;
                let acked = acked.load(Ordering::Relaxed);
                anyhow::ensure!(
                    found >= acked && found <= acked + 1,
                    "{job}: {acked} was acknowledged, {found} is read at {at}"
                );
            }
        }
        let failed = self.failed.load(Ordering::Relaxed);
        anyhow::ensure!(failed == 0, "{failed} calls failed for longer than {RETRIES_FOR:?}");
        Ok(self.text())
    }

    fn text(&self) -> String {
        let longest_ms = self.longest_us.load(Ordering::Relaxed) as f64 / 1000.0;
        let written = self.written.load(Ordering::Relaxed);
        format!("{written} writes acknowledged and found, none failed, the longest took {longest_ms:.0} ms")
    }
}

/// A job's value by a linearizable read at a node.
pub(super) async fn value_at(cluster: &Cluster, at: usize, job: JobId) -> anyhow::Result<u64> {
    let get = GetAt { job, key: 0, within_ms: READ_MS };
    let value = cluster.get(at, get).await.with_context(|| format!("{job} cannot be read at {at}"))?;
    let bytes: Option<[u8; 8]> = value.and_then(|value| value.as_ref().try_into().ok());
    Ok(bytes.map_or(0, u64::from_be_bytes))
}

//! Numbers that processes report, gathered into windows of one second of the worker's monotonic clock, until the job's
//! manager has them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use muster_runtime::Clock;
use muster_wire::job::{StatTotal, StatTotals};
use muster_wire::rpc::worker::ShardWindow;
use muster_wire::stats::Histogram;
use muster_wire::{JobId, WorkflowIx};
use tokio::time::Instant;

use super::report::STAT_NAMES_MAX;

/// The width of a window, milliseconds.
const WINDOW_MS: u64 = 1_000;
/// Windows that wait for one job's manager; beyond it the two oldest of a workflow become one.
const WINDOWS_MAX: usize = 64;

/// All jobs' windows.
#[derive(Default)]
pub(crate) struct Samples(Mutex<HashMap<JobId, Job>>);

#[derive(Default)]
struct Job {
    windows: BTreeMap<(WorkflowIx, u64), Window>,
    /// Windows that start before are told: what comes later goes into the next one.
    told_ms: u64,
}

#[derive(Clone, Default)]
struct Window {
    counters: StatTotals,
    histograms: BTreeMap<String, Histogram>,
}

impl Samples {
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, (job, workflow): (JobId, WorkflowIx), now_ms: u64, (name, number): (&str, f64)) {
        let mut jobs = self.lock();
        let job = jobs.entry(job).or_default();
        let start_ms = (now_ms - now_ms % WINDOW_MS).max(job.told_ms);
        job.windows.entry((workflow, start_ms)).or_default().record(name, number);
        if job.windows.len() > WINDOWS_MAX {
            job.fold_oldest();
        }
    }

    /// Windows that are over, or all: they do not change any more, and wait until they are taken.
    pub(crate) fn closed(&self, job: JobId, now_ms: u64, until: Until) -> Vec<ShardWindow> {
        let mut jobs = self.lock();
        let Some(job) = jobs.get_mut(&job) else { return Vec::new() };
        let end_ms = match until {
            Until::Closed => now_ms - now_ms % WINDOW_MS,
            Until::Now => now_ms.max(job.told_ms) + WINDOW_MS,
        };
        let closed = job.windows.iter().filter(|((_, start_ms), _)| *start_ms < end_ms);
        let closed: Vec<ShardWindow> = closed.map(|(at, window)| window.wire(*at)).collect();
        let newest = closed.iter().map(|window| window.start_ms + WINDOW_MS).max();
        job.told_ms = job.told_ms.max(newest.unwrap_or_default());
        closed
    }

    /// The manager has these.
    pub(crate) fn taken(&self, job: JobId, windows: &[ShardWindow]) {
        if let Some(job) = self.lock().get_mut(&job) {
            windows.iter().for_each(|window| drop(job.windows.remove(&(window.workflow, window.start_ms))));
        }
    }

    /// Nothing of this job is wanted any more.
    pub(crate) fn forget(&self, job: JobId) {
        self.lock().remove(&job);
    }
}

/// Which windows are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Until {
    /// Those that are over.
    Closed,
    /// All: the job's last attempt here has ended.
    Now,
}

impl Job {
    fn fold_oldest(&mut self) {
        let Some(((workflow, _), oldest)) = self.windows.pop_first() else { return };
        metrics::counter!("muster_worker_windows_folded_total").increment(1);
        let next = self.windows.range_mut((workflow, 0)..).next().filter(|((of, _), _)| *of == workflow);
        if let Some((_, next)) = next {
            next.merge(&oldest);
        }
    }
}

impl Window {
    fn record(&mut self, name: &str, number: f64) {
        if self.counters.len() >= STAT_NAMES_MAX && !self.counters.contains_key(name) {
            return;
        }
        let one = StatTotal { count: 1, sum: number, min: number, max: number };
        add(&mut self.counters, name, &one);
        self.histograms.entry(name.to_owned()).or_default().record(number);
    }

    fn merge(&mut self, older: &Self) {
        older.counters.iter().for_each(|(name, total)| add(&mut self.counters, name, total));
        for (name, histogram) in &older.histograms {
            // All are made here, with one scale.
            let _merged = self.histograms.entry(name.clone()).or_default().merge(histogram);
        }
    }

    fn wire(&self, (workflow, start_ms): (WorkflowIx, u64)) -> ShardWindow {
        let (counters, histograms) = (self.counters.clone(), self.histograms.clone());
        ShardWindow { workflow, start_ms, counters, histograms }
    }
}

fn add(sum: &mut StatTotals, name: &str, more: &StatTotal) {
    let empty = || StatTotal { count: 0, sum: 0.0, ..more.clone() };
    let known = sum.entry(name.to_owned()).or_insert_with(empty);
    known.count += more.count;
    known.sum += more.sum;
    known.min = known.min.min(more.min);
    known.max = known.max.max(more.max);
}

/// Records for one attempt.
#[derive(Clone)]
pub(crate) struct Sampler {
    pub(crate) samples: Arc<Samples>,
    pub(crate) clock: Clock,
    pub(crate) epoch: Instant,
    pub(crate) job: JobId,
    pub(crate) workflow: WorkflowIx,
}

impl Sampler {
    /// Takes what a process has just told.
    pub(crate) fn take(&self, fresh: &[(String, f64)]) {
        let now: Duration = self.clock.now().saturating_duration_since(self.epoch);
        for (name, number) in fresh {
            let now_ms = now.as_millis() as u64;
            self.samples.record((self.job, self.workflow), now_ms, (name, *number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: (JobId, WorkflowIx) = (JobId(1), WorkflowIx(0));

    fn record(samples: &Samples, now_ms: u64) {
        samples.record(AT, now_ms, ("rows", 2.0));
    }

    fn counts(windows: &[ShardWindow]) -> Vec<(u64, u64)> {
        windows.iter().map(|window| (window.start_ms, window.counters["rows"].count)).collect()
    }

    #[test]
    fn a_window_is_told_when_it_is_over_and_again_until_it_is_taken() {
        let samples = Samples::default();
        [100, 900, 1_100].into_iter().for_each(|now_ms| record(&samples, now_ms));
        let first = samples.closed(AT.0, 1_200, Until::Closed);
        assert_eq!(counts(&first), [(0, 2)]);
        assert_eq!(samples.closed(AT.0, 1_300, Until::Closed), first);
        samples.taken(AT.0, &first);
        assert_eq!(counts(&samples.closed(AT.0, 2_000, Until::Closed)), [(1_000, 1)]);
        assert_eq!(first[0].histograms["rows"].count(), 2);
    }

    #[test]
    fn a_window_that_was_told_does_not_change_any_more() {
        let samples = Samples::default();
        record(&samples, 100);
        assert_eq!(counts(&samples.closed(AT.0, 200, Until::Now)), [(0, 1)]);
        record(&samples, 300);
        assert_eq!(counts(&samples.closed(AT.0, 300, Until::Now)), [(0, 1), (1_000, 1)]);
    }

    #[test]
    fn too_many_windows_are_folded_and_lose_nothing() {
        let samples = Samples::default();
        (0..200).for_each(|second| record(&samples, second * 1_000));
        let windows = samples.closed(AT.0, 500_000, Until::Closed);
        assert_eq!(windows.len(), WINDOWS_MAX);
        assert_eq!(counts(&windows).iter().map(|(_, count)| count).sum::<u64>(), 200);
    }
}

//! What a reconciler remembers of a job in memory, for as long as it leads in one term.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use imbl::OrdMap;
use muster_wire::JobId;

/// Memory by job. A new term starts with an empty one.
pub(crate) struct PerJob<T>(Mutex<HashMap<JobId, (u64, T)>>);

impl<T> Default for PerJob<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Forgets what is not led here any more.
pub(crate) trait Forget: Send + Sync {
    /// Keeps only what is led in the same term.
    fn keep(&self, led: &OrdMap<JobId, u64>);
}

impl<T: Default> PerJob<T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, (u64, T)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads or changes what is remembered of a job in this term.
    pub(crate) fn with<R>(&self, (job, term): (JobId, u64), change: impl FnOnce(&mut T) -> R) -> R {
        let mut jobs = self.lock();
        let slot = jobs.entry(job).or_insert_with(|| (term, T::default()));
        if slot.0 != term {
            *slot = (term, T::default());
        }
        change(&mut slot.1)
    }

    /// Forgets a job.
    pub(crate) fn forget(&self, job: JobId) {
        self.lock().remove(&job);
    }
}

impl<T: Default + Send> Forget for PerJob<T> {
    fn keep(&self, led: &OrdMap<JobId, u64>) {
        self.lock().retain(|job, (term, _)| led.get(job) == Some(term));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_term_starts_with_an_empty_memory() {
        let memory = PerJob::<u32>::default();
        memory.with((JobId(1), 4), |count| *count += 1);
        assert_eq!(memory.with((JobId(1), 4), |count| *count), 1);
        assert_eq!(memory.with((JobId(1), 5), |count| *count), 0);
    }

    #[test]
    fn what_is_not_led_any_more_is_forgotten() {
        let memory = PerJob::<u32>::default();
        memory.with((JobId(1), 4), |count| *count += 1);
        memory.keep(&OrdMap::unit(JobId(2), 4));
        assert_eq!(memory.lock().len(), 0);
    }
}

//! Gathers progress reports, so that a job's group gets at most one entry of them a second. The newest report of a
//! datacenter takes the place of the older one.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use muster_wire::JobId;
use muster_wire::rpc::gate::ReportProgress;
use tokio::sync::watch;
use tokio::time::Instant;

/// Least time between two entries of one job.
pub const PERIOD: Duration = Duration::from_secs(1);
/// Jobs whose progress is gathered at the same time; more are `Busy`.
const JOBS_MAX: usize = 50_000;

/// The newest reports, by datacenter.
pub type Gathered = BTreeMap<String, ReportProgress>;

/// Reports of all jobs that are to be committed.
#[derive(Debug, Default)]
pub struct ProgressQueue {
    slots: Mutex<HashMap<JobId, Slot>>,
}

#[derive(Debug)]
struct Slot {
    pending: Gathered,
    /// Somebody will commit what is pending.
    has_committer: bool,
    /// Not before this.
    next: Instant,
    /// Rounds of commits that were finished.
    rounds: watch::Sender<u64>,
}

/// What the giver of a report does next.
#[derive(Debug)]
pub enum Role {
    /// Waits until then, takes what is pending and commits it.
    Commit {
        /// Not before this.
        at: Instant,
    },
    /// Waits for a round that began after the report was given.
    Wait {
        /// Finished rounds.
        rounds: watch::Receiver<u64>,
        /// Enough when above this.
        beyond: u64,
    },
}

/// Too many jobs report at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl ProgressQueue {
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a report.
    pub fn give(&self, report: ReportProgress, now: Instant) -> Result<Role, Full> {
        let mut slots = self.lock();
        let job = report.from.job;
        if slots.len() >= JOBS_MAX && !slots.contains_key(&job) {
            slots.retain(|_, slot| slot.has_committer || slot.next > now);
            return Err(Full);
        }
        let slot = slots.entry(job).or_insert_with(|| Slot::new(now));
        slot.pending.insert(report.from.datacenter.clone(), report);
        Ok(slot.role(now))
    }

    /// Takes what is pending, to be committed now.
    pub fn take(&self, job: JobId) -> Gathered {
        self.lock().get_mut(&job).map(|slot| std::mem::take(&mut slot.pending)).unwrap_or_default()
    }

    /// A round is finished. `Some`: reports came in meanwhile; the committer commits again at that time.
    pub fn finish(&self, job: JobId, now: Instant) -> Option<Instant> {
        let mut slots = self.lock();
        let slot = slots.get_mut(&job)?;
        slot.next = now + PERIOD;
        slot.rounds.send_modify(|rounds| *rounds += 1);
        slot.has_committer = !slot.pending.is_empty();
        let again = slot.has_committer.then_some(slot.next);
        slots.retain(|_, slot| slot.has_committer || slot.next > now);
        again
    }
}

impl Slot {
    fn new(now: Instant) -> Self {
        Self { pending: Gathered::new(), has_committer: false, next: now, rounds: watch::Sender::new(0) }
    }

    fn role(&mut self, now: Instant) -> Role {
        if std::mem::replace(&mut self.has_committer, true) {
            let rounds = self.rounds.subscribe();
            // The round under way may have taken its reports before this one came: the next one has it.
            let beyond = *rounds.borrow() + 1;
            return Role::Wait { rounds, beyond };
        }
        Role::Commit { at: self.next.max(now) }
    }
}

#[cfg(test)]
mod tests {
    use muster_wire::job::JobStatus;
    use muster_wire::rpc::gate::Reporter;
    use muster_wire::{Generation, MemberNumber, NodeId, NodeRef, Token};

    use super::*;

    fn report(dc: &str, token: u64) -> ReportProgress {
        let manager = NodeRef {
            id: NodeId(1),
            generation: Generation(1),
            member: MemberNumber(1),
            name: "m1".into(),
            addr: String::new(),
        };
        let (job, datacenter, dc_token) = (JobId(1), dc.to_owned(), Token(1));
        let from =
            Reporter { job, datacenter, dc_token, manager, manager_token: Token(token), forwarded: false };
        ReportProgress { from, status: JobStatus::Running, workflows: vec![] }
    }

    #[tokio::test]
    async fn one_giver_commits_the_newest_report_of_each_datacenter() {
        let (queue, now) = (ProgressQueue::default(), muster_runtime::Clock::system().now());
        assert!(matches!(queue.give(report("a", 1), now), Ok(Role::Commit { at }) if at == now));
        assert!(matches!(queue.give(report("a", 2), now), Ok(Role::Wait { .. })));
        assert!(matches!(queue.give(report("b", 1), now), Ok(Role::Wait { .. })));
        let gathered = queue.take(JobId(1));
        assert_eq!(gathered.values().map(|report| report.from.manager_token.0).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(queue.finish(JobId(1), now), None);
    }

    #[tokio::test]
    async fn the_next_entry_waits_for_its_second_and_quiet_jobs_are_forgotten() {
        let (queue, now) = (ProgressQueue::default(), muster_runtime::Clock::system().now());
        queue.give(report("a", 1), now).unwrap();
        queue.take(JobId(1));
        queue.give(report("a", 2), now).unwrap();
        assert_eq!(queue.finish(JobId(1), now), Some(now + PERIOD));
        queue.take(JobId(1));
        assert_eq!(queue.finish(JobId(1), now + PERIOD), None);
        queue.finish(JobId(1), now + PERIOD * 3);
        assert!(queue.lock().contains_key(&JobId(1)), "its own second is not over");
    }
}

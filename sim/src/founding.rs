//! How jobs begin: mostly as the tiers begin them, with the first write in the registration; some are only registered.

use muster_consensus::{ProposeError, RegisterJob, Registered};
use muster_machine::{Entry, Reason};
use muster_wire::job::Digest;
use muster_wire::{JobId, MemberNumber, Token};
use rand::RngExt as _;
use tokio::time::{Instant, sleep};

use crate::clients::{CALL, Client, PATIENCE, PAUSE, REPLICAS};
use crate::ledger::{self, How};

impl Client {
    /// Begins a job; one that somebody else has begun now and then, as when a submission is sent to two nodes.
    pub(crate) async fn begin_job(&mut self) {
        let job = match self.rng.random_range(0..10) {
            0 => self.shared.any_job(self.rng.random()),
            _ => self.shared.next_job(),
        };
        match (job, self.rng.random_range(0..4)) {
            (None, _) => {}
            (Some(job), 0) => self.register(job).await,
            (Some(job), _) => self.found(job).await,
        }
    }

    async fn register(&self, job: JobId) {
        if self.until_registered(job, None).await.is_some() {
            self.shared.oracle.registered(job);
        }
    }

    /// The job and its first number are one act. Whatever that comes to, the same request is made again until it is known.
    async fn found(&mut self, job: JobId) {
        let how = if self.rng.random() { How::Leading } else { How::Freely };
        let number = self.shared.oracle.put_begins(job, how);
        let made = ledger::put(job, (number, how), self.request(), self.node.clock.unix_ms());
        let Ok(entry) = made else { return };
        let Some(registered) = self.until_registered(job, Some(&entry)).await else { return };
        self.shared.oracle.registered(job);
        let outcome = match registered {
            Registered::New { opened: true, .. } => Some(self.opened(job, (number, registered)).await),
            _ => self.write_entry(job, number, entry).await,
        };
        if let (How::Leading, Some(Ok(place))) = (how, outcome) {
            self.leads.insert(job, Token(place));
        }
    }

    /// The directory's word is the acknowledgement: the number is the job's first, whatever happens. Now and then the state
    /// that it begins with is asked for, as managers do.
    async fn opened(&mut self, job: JobId, (number, registered): (u64, Registered)) -> Result<u64, Reason> {
        self.shared.oracle.opened();
        let outcome = self.judge(job, number, Ok(1));
        if self.rng.random()
            && let Some(view) = self.node.coordinator.founded(job, registered, CALL).await
        {
            self.shared.oracle.observe(job, "a founder", &view.state);
        }
        outcome
    }

    /// What the registration came to; `None` if nobody knows.
    async fn until_registered(&self, job: JobId, entry: Option<&Entry>) -> Option<Registered> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && !self.shared.is_healing() {
            if let Ok(registered) = self.register_once(job, entry).await {
                self.note_registered(job, &registered);
                return Some(registered);
            }
            sleep(PAUSE).await;
        }
        None
    }

    async fn register_once(&self, job: JobId, entry: Option<&Entry>) -> Result<Registered, ProposeError> {
        let coordinator = &self.node.coordinator;
        let call = registration(job, coordinator.me().member);
        match entry {
            Some(entry) => coordinator.found(call, entry, CALL).await,
            None => coordinator.register(call, CALL).await,
        }
    }

    fn note_registered(&self, job: JobId, registered: &Registered) {
        let me = self.node.coordinator.me().member;
        self.shared.trace.line(&format!("job {job} is registered by {me}: {registered:?}"));
        if let Registered::Gone { .. } = registered {
            self.shared.oracle.gone(job);
        }
    }
}

fn registration(job: JobId, proposer: MemberNumber) -> RegisterJob {
    RegisterJob {
        job,
        key: None,
        digest: Digest([7; 32]),
        name: "job".into(),
        labels: Default::default(),
        proposer,
        avoid: vec![],
        replication: REPLICAS,
        retired: None,
        opening: None,
    }
}

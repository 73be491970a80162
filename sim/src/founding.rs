//! How jobs begin: mostly as the tiers begin them, with the first write in the registration; some are only registered.

use muster_consensus::{ProposeError, RegisterJob, Registered, View};
use muster_machine::Entry;
use muster_wire::job::Digest;
use muster_wire::{JobId, MemberNumber, Token};
use rand::RngExt as _;
use tokio::time::{Instant, sleep};

use crate::clients::{CALL, Client, PATIENCE, PAUSE, REPLICAS};
use crate::ledger::{self, How, Ledger};

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
        let Some(view) = self.until_registered(job, Some(&entry)).await else { return };
        self.shared.oracle.registered(job);
        let place = view.and_then(|view| self.first_place(job, number, &view));
        let outcome = match place {
            Some(place) => Some(self.judge(job, number, Ok(place))),
            None => self.write_entry(job, number, entry).await,
        };
        if let (How::Leading, Some(Ok(place))) = (how, outcome) {
            self.leads.insert(job, Token(place));
        }
    }

    /// Where the number is in what the job began with; `None` if the group began otherwise.
    fn first_place(&self, job: JobId, number: u64, view: &View<Ledger>) -> Option<u64> {
        self.shared.oracle.observe(job, "a founder", &view.state);
        let at = view.state.numbers.iter().position(|there| *there == number)?;
        self.shared.oracle.opened();
        Some(at as u64 + 1)
    }

    /// What the registration came to, and the state that the job began with; `None` if nobody knows.
    async fn until_registered(&self, job: JobId, entry: Option<&Entry>) -> Option<Option<View<Ledger>>> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && !self.shared.is_healing() {
            if let Ok((registered, view)) = self.register_once(job, entry).await {
                self.note_registered(job, &registered);
                return Some(view);
            }
            sleep(PAUSE).await;
        }
        None
    }

    async fn register_once(
        &self,
        job: JobId,
        entry: Option<&Entry>,
    ) -> Result<(Registered, Option<View<Ledger>>), ProposeError> {
        let coordinator = &self.node.coordinator;
        let call = registration(job, coordinator.me().member);
        match entry {
            Some(entry) => coordinator.found(call, entry, CALL).await,
            None => coordinator.register(call, CALL).await.map(|registered| (registered, None)),
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
    }
}

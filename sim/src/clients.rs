//! The clients: on every node some, which put, read, begin and end jobs, and remember what they were told; and one that
//! only reads, so that it is not held up by a write that nobody takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use muster_consensus::directory::{MemberRow, MemberState, MemberStatus};
use muster_consensus::{Consistency, ProposeError};
use muster_machine::{Entry, EntryReply, Reason};
use muster_runtime::TaskKind;
use muster_wire::{JobId, RequestId, Token};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;

use crate::host::Node;
use crate::ledger::{self, How};
use crate::world::Shared;

const CLIENT: TaskKind = TaskKind::new("sim_client");
/// How long one call may take.
pub(crate) const CALL: Duration = Duration::from_secs(2);
/// How long a client repeats a request whose outcome it does not know.
pub(crate) const PATIENCE: Duration = Duration::from_secs(6);
/// Replicas of each job.
pub(crate) const REPLICAS: u32 = 3;
/// Puts at once.
const BURST: usize = 25;
/// What the reader draws differently.
const READER: u64 = 0x7265_6164;
/// Before a refused call is repeated.
pub(crate) const PAUSE: Duration = Duration::from_millis(40);

/// Starts the clients of a run of a node. They end with it.
pub(crate) fn start(node: &Arc<Node>, shared: &Shared) {
    for number in 0..shared.plan.clients {
        let rng = StdRng::seed_from_u64(node.seed.wrapping_add(1 + number as u64));
        let client = Client { node: node.clone(), shared: shared.clone(), rng, leads: BTreeMap::new() };
        node.scope.spawn_until_stop(CLIENT, client.run());
    }
    let reader = Client::new(node.clone(), shared.clone(), READER);
    node.scope.spawn_until_stop(CLIENT, reader.run_reading());
}

/// One client, at one node.
pub(crate) struct Client {
    pub(crate) node: Arc<Node>,
    pub(crate) shared: Shared,
    pub(crate) rng: StdRng,
    /// The leads that it took, until it is told that somebody else has one.
    pub(crate) leads: BTreeMap<JobId, Token>,
}

#[derive(Clone, Copy)]
enum Act {
    Put,
    FencedPut,
    Lead,
    Burst,
    Read,
    ReadStale,
    Begin,
    End,
    HandOver,
    Snapshot,
    Drain,
}

/// What clients do, and how often.
const ACTS: &[(u32, Act)] = &[
    (200, Act::Put),
    (40, Act::FencedPut),
    (10, Act::Lead),
    (15, Act::Burst),
    (125, Act::Read),
    (40, Act::ReadStale),
    (50, Act::Begin),
    (3, Act::End),
    (15, Act::HandOver),
    (10, Act::Snapshot),
    (1, Act::Drain),
];

impl Client {
    pub(crate) fn new(node: Arc<Node>, shared: Shared, salt: u64) -> Self {
        let rng = StdRng::seed_from_u64(node.seed ^ salt.rotate_left(17));
        Self { node, shared, rng, leads: BTreeMap::new() }
    }

    async fn run(mut self) {
        while !self.shared.is_healing() {
            let pause = Duration::from_millis(self.rng.random_range(1..120));
            tokio::time::sleep(pause).await;
            self.act().await;
        }
    }

    async fn run_reading(mut self) {
        while !self.shared.is_healing() {
            let pause = Duration::from_millis(self.rng.random_range(1..60));
            tokio::time::sleep(pause).await;
            if let Some(job) = self.pick() {
                self.read(job).await;
            }
        }
    }

    async fn act(&mut self) {
        match self.node.machine.flooded() {
            Some(job) => self.burst(job).await,
            None => self.act_as_drawn().await,
        }
    }

    async fn act_as_drawn(&mut self) {
        let job = self.pick();
        match (self.draw(), job) {
            (Act::Begin, _) | (_, None) => self.begin_job().await,
            (Act::Put, Some(job)) => drop(self.put(job).await),
            (Act::FencedPut, Some(_)) => self.put_fenced().await,
            (Act::Lead, Some(job)) => self.lead(job).await,
            (Act::Burst, Some(job)) => self.burst(job).await,
            (Act::Read, Some(job)) => drop(self.read(job).await),
            (Act::ReadStale, Some(job)) => self.read_stale(job).await,
            (Act::End, Some(job)) => self.end(job).await,
            (Act::HandOver, Some(job)) => self.hand_over(job).await,
            (Act::Drain, Some(_)) => self.drain().await,
            (Act::Snapshot, Some(job)) => drop(self.node.coordinator.snapshot(job).await),
        }
    }

    fn draw(&mut self) -> Act {
        let sum = ACTS.iter().map(|(weight, _)| weight).sum();
        let mut at = self.rng.random_range(0..sum);
        let chosen = ACTS.iter().find(|(weight, _)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        chosen.map_or(Act::Put, |(_, act)| *act)
    }

    /// Some jobs are used all the time, most of them rarely.
    fn pick(&mut self) -> Option<JobId> {
        let jobs = match self.rng.random_range(0..10) {
            0 => self.shared.oracle.jobs(),
            _ => self.shared.oracle.lasting(),
        };
        let among = match self.rng.random_range(0..3) {
            0 => jobs.len(),
            _ => jobs.len().min(4),
        };
        (among > 0).then(|| jobs[self.rng.random_range(0..among)])
    }

    pub(crate) fn request(&mut self) -> RequestId {
        RequestId::new(self.node.clock.unix_ms(), self.rng.random())
    }

    /// Puts a number; true once it is acknowledged, or the job is gone.
    pub(crate) async fn put(&mut self, job: JobId) -> bool {
        self.write(job, How::Freely).await.is_some()
    }

    /// Puts a number, as whoever took the lead of some job once.
    async fn put_fenced(&mut self) {
        let held: Vec<(JobId, Token)> = self.leads.iter().map(|(job, token)| (*job, *token)).collect();
        if held.is_empty() {
            return;
        }
        let (job, token) = held[self.rng.random_range(0..held.len())];
        if let Some(Err(_)) = self.write(job, How::Under(token)).await {
            self.leads.remove(&job);
        }
    }

    async fn lead(&mut self, job: JobId) {
        if let Some(Ok(place)) = self.write(job, How::Leading).await {
            self.leads.insert(job, Token(place));
        }
    }

    /// The place of a new number, or why it has none; `None` if that is not known.
    async fn write(&mut self, job: JobId, how: How) -> Option<Result<u64, Reason>> {
        let number = self.shared.oracle.put_begins(job, how);
        let entry = ledger::put(job, (number, how), self.request(), self.node.clock.unix_ms()).ok()?;
        self.write_entry(job, number, entry).await
    }

    pub(crate) async fn write_entry(
        &self,
        job: JobId,
        number: u64,
        entry: Entry,
    ) -> Option<Result<u64, Reason>> {
        match self.propose(job, entry).await? {
            Ok(reply) => Some(self.judge(job, number, reply.reply::<u64>(0))),
            Err(error) => Some(Err(Reason::malformed(error))),
        }
    }

    /// Many at once: they share batches, and soon the log is cut behind a snapshot.
    async fn burst(&mut self, job: JobId) {
        for _ in 0..BURST {
            let mut client = Self::new(self.node.clone(), self.shared.clone(), self.rng.random());
            self.node.scope.spawn_until_stop(CLIENT, async move {
                client.put(job).await;
            });
        }
        tokio::time::sleep(PAUSE).await;
    }

    pub(crate) fn judge(&self, job: JobId, number: u64, outcome: Result<u64, Reason>) -> Result<u64, Reason> {
        match &outcome {
            Ok(place) => {
                self.shared.trace.line(&format!("job {job}: {number} is at {place}"));
                self.shared.oracle.put_acked(job, number, *place);
            }
            Err(Reason::Gone { .. }) => self.shared.oracle.gone(job),
            Err(other) => self.shared.trace.line(&format!("job {job}: {number} was refused: {other}")),
        }
        outcome
    }

    /// Repeats the same request until its outcome is known; `None` if patience runs out first.
    async fn propose(&self, job: JobId, entry: Entry) -> Option<Result<EntryReply, ProposeError>> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match self.node.coordinator.propose(job, entry.clone(), CALL).await {
                Ok(reply) => return Some(Ok(reply)),
                Err(error @ ProposeError::Gone { .. }) => {
                    self.shared.oracle.gone(job);
                    return Some(Err(error));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        None
    }

    /// Reads everything; true if the read was served, or the job is gone.
    pub(crate) async fn read(&self, job: JobId) -> bool {
        let floor = self.shared.oracle.read_begins(job);
        match self.node.coordinator.read(job, Consistency::Linearizable, CALL).await {
            Ok(view) => {
                self.shared.trace.line(&format!("job {job}: read {} numbers", view.state.numbers.len()));
                self.shared.oracle.read_ended(job, floor, &view.state);
                true
            }
            Err(ProposeError::Gone { .. }) => {
                self.shared.oracle.gone(job);
                true
            }
            Err(_) => false,
        }
    }

    async fn read_stale(&self, job: JobId) {
        let read = self.node.coordinator.read(job, Consistency::Stale, CALL).await;
        if let Ok(view) = read {
            self.shared.oracle.observe(job, "a stale read", &view.state);
        }
    }

    async fn end(&mut self, job: JobId) {
        if self.shared.is_scripted() {
            return;
        }
        self.shared.oracle.end_begins(job);
        let Ok(entry) = ledger::end(job, self.request(), self.node.clock.unix_ms()) else { return };
        if let Some(Ok(_)) = self.propose(job, entry).await {
            self.shared.trace.line(&format!("job {job} is over"));
            self.shared.oracle.ended(job);
        }
    }

    /// A member's replicas move away for a while, where there is a spare.
    async fn drain(&mut self) {
        let members: Vec<MemberRow> = self.node.coordinator.directory().members().cloned().collect();
        if members.len() <= REPLICAS as usize {
            return;
        }
        let row = &members[self.rng.random_range(0..members.len())];
        self.set_status(row, MemberStatus::Draining).await;
        tokio::time::sleep(PATIENCE).await;
        self.set_status(row, MemberStatus::Active).await;
    }

    async fn set_status(&self, row: &MemberRow, status: MemberStatus) {
        let state = MemberState {
            member: row.number,
            generation: row.generation,
            status: Some(status),
            ..MemberState::default()
        };
        let entry = Entry::new(JobId(0), Token(0), self.node.clock.unix_ms()).with(&state);
        let Ok(entry) = entry else { return };
        let set = self.node.coordinator.directory_propose(entry, CALL).await;
        self.shared.trace.line(&format!("member {} is {status:?}: {}", row.number, set.is_ok()));
    }

    async fn hand_over(&mut self, job: JobId) {
        let replicas = self.node.coordinator.replicas(job);
        if replicas.is_empty() {
            return;
        }
        let to = replicas[self.rng.random_range(0..replicas.len())].member;
        let handed = self.node.coordinator.hand_over(job, to, CALL).await;
        self.shared.trace.line(&format!("job {job}: handed over to {to}: {}", handed.is_ok()));
    }
}

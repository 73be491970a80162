//! One replica of one group: opening, its level, closing.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use muster_machine::{Machine, Replica};
use muster_runtime::{Clock, TaskScope};
use muster_wal::{GroupKey, LogReader, Wal};
use muster_wire::rpc::raft::VoteFor;
use muster_wire::{GroupId, JobId, MemberNumber, RaftId};
use openraft::async_runtime::{Instant as _, WatchReceiver as _};
use openraft::{Raft, RaftMetrics, ServerState};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::birth::{OPENING_INDEX, Seeded};
use super::convert;
use super::elect::GivenAway;
use super::incoming::Pieces;
use super::machine::StateMachine;
use super::network::Wires;
use super::opening::{OpenGroupError, Opening, config_of, found_snapshot, seed, until_reported};
use super::read::ReadRounds;
use super::settings::Settings;
use super::snapshot::SnapshotFiles;
use super::store::LogStore;
use super::types::{LogId, Types};
use crate::host::peers::Peers;
use crate::status::{GroupStatus, ReplicaStatus, View};
use crate::storage::Storage;

/// What all groups of a node share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) wal: Wal,
    pub(crate) peers: Peers,
    pub(crate) settings: Settings,
    pub(crate) snapshots: PathBuf,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) scope: TaskScope,
    pub(crate) clock: Clock,
    pub(crate) epoch: Instant,
    pub(crate) in_flight: usize,
    /// How long a leader's lease lasts.
    pub(crate) lease: Duration,
}

impl Ground {
    /// A replica's snapshots.
    pub(crate) fn snapshot_files(&self, key: GroupKey) -> SnapshotFiles {
        let dir = self.snapshots.join(format!("{}-{}", key.group, key.incarnation));
        SnapshotFiles::new(self.storage.clone(), dir, self.scope.clone())
    }
}

/// One replica, running. Dropping it does not stop it: [`Group::close`] does.
pub(crate) struct Group<M: Machine> {
    pub(crate) id: GroupId,
    pub(crate) job: JobId,
    pub(crate) me: RaftId,
    pub(crate) raft: Raft<Types, StateMachine<M>>,
    pub(crate) views: watch::Receiver<View<M>>,
    pub(crate) wires: Wires,
    pub(crate) in_flight: Arc<Semaphore>,
    pub(crate) rounds: ReadRounds,
    pub(crate) pieces: Mutex<Option<Pieces>>,
    pub(crate) clock: Clock,
    pub(crate) lease: Duration,
    /// What opening this replica found.
    pub(crate) seeded: Seeded,
    /// No read sees a state before this index: with an opening, the job was acknowledged before the group was born.
    pub(crate) begins_at: u64,
    pub(super) wal: Wal,
    log: LogReader,
    epoch: Instant,
    /// Milliseconds after the epoch at which a leader was last heard of; 0 for never.
    contact_ms: AtomicU64,
    /// Milliseconds after the epoch up to which the leader of the newest vote is believed to lead.
    trusted_until_ms: AtomicU64,
    /// The vote of a leader whose process is gone.
    deaf_to: Mutex<Option<VoteFor>>,
    /// The lead that was given away last.
    pub(super) given: Mutex<Option<GivenAway>>,
}

impl<M: Machine> Group<M> {
    /// Seeds the replica if this is its birth, then opens it. `first` is the entry that the group begins with.
    pub(crate) async fn open(
        ground: &Ground,
        opening: Opening,
        first: Option<Bytes>,
    ) -> Result<Self, OpenGroupError> {
        let key = GroupKey { group: opening.group.0, incarnation: opening.me.incarnation().0 };
        let is_new = !ground.wal.is_known(key);
        let begins_at = first.as_ref().map_or(0, |_| OPENING_INDEX);
        let seeded = seed(ground, key, (&opening, first)).await?;
        let config = config_of(ground, &opening, seeded);
        let log = ground.wal.open_group(key)?;
        let reader = log.reader();
        let files = ground.snapshot_files(key).noted_in(&ground.wal, key);
        let born = Replica::born(opening.group, opening.job);
        let found = if is_new { None } else { found_snapshot(ground, key, (&files, &reader)).await? };
        let (machine, views) = StateMachine::open(born, files, found)?;
        let wires = Wires::of(ground, &opening);
        let raft =
            Raft::new(opening.me.0, config, wires.clone(), LogStore::new(log, ground.scope.clone()), machine)
                .await;
        let raft = raft.map_err(|error| OpenGroupError::Raft(error.to_string()))?;
        until_reported(&raft).await;
        Ok(Self {
            id: opening.group,
            job: opening.job,
            me: opening.me,
            raft,
            views,
            wires,
            in_flight: Arc::new(Semaphore::new(ground.in_flight)),
            rounds: ReadRounds::default(),
            pieces: Mutex::new(None),
            clock: ground.clock.clone(),
            lease: ground.lease,
            wal: ground.wal.clone(),
            log: reader,
            epoch: ground.epoch,
            contact_ms: AtomicU64::new(0),
            trusted_until_ms: AtomicU64::new(0),
            deaf_to: Mutex::new(None),
            given: Mutex::new(None),
            seeded,
            begins_at,
        })
    }

    /// This moment's state.
    pub(crate) fn view(&self) -> View<M> {
        let mut view = self.views.borrow().clone();
        view.age = self.age();
        view
    }

    /// How old the state may be: zero for the leader; else the time since it was heard of, and how long it may keep the
    /// news of a commit.
    pub(crate) fn age(&self) -> Duration {
        match self.is_leader() {
            true => Duration::ZERO,
            false => self.silence() + self.wires.pace.rest,
        }
    }

    /// Time since a leader was heard of.
    pub(crate) fn silence(&self) -> Duration {
        let now = self.clock.now().saturating_duration_since(self.epoch);
        now.saturating_sub(Duration::from_millis(self.contact_ms.load(Ordering::Relaxed)))
    }

    /// As the leader: has every other replica on these members, and at least one, answered anything within this time?
    pub(crate) fn heard_all_within(&self, time: Duration, members: &[MemberNumber]) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let Some(answered) = &metrics.heartbeat else { return false };
        let is_meant = |id: u64| id != self.me.0 && members.contains(&RaftId(id).member());
        let mut meant = answered.iter().filter(|(id, _)| is_meant(**id)).peekable();
        meant.peek().is_some() && meant.all(|(_, at)| at.as_ref().is_some_and(|at| at.elapsed() < time))
    }

    /// A leader's frame was accepted. The last frames of a process that is gone may come after the news of its end.
    pub(crate) fn note_contact(&self, vote: VoteFor) {
        if *self.deaf_to.lock().unwrap_or_else(PoisonError::into_inner) == Some(vote) {
            return;
        }
        self.contact_ms.store(self.epoch_ms().max(1), Ordering::Relaxed);
        self.trust(self.lease * 2);
    }

    /// What was heard of the leader counts no more: its process is gone.
    pub(crate) fn forget_contact(&self) {
        let vote = convert::wire_vote(&self.raft.server_metrics().borrow_watched().vote);
        *self.deaf_to.lock().unwrap_or_else(PoisonError::into_inner) = Some(vote);
        self.contact_ms.store(0, Ordering::Relaxed);
        self.trusted_until_ms.store(0, Ordering::Relaxed);
    }

    /// Does anybody lead, as far as this replica can know? False after two lease times of silence while it is awake.
    pub(crate) fn has_leader(&self) -> bool {
        self.epoch_ms() < self.trusted_until_ms.load(Ordering::Relaxed) || self.is_leader()
    }

    /// Whoever leads by the newest vote is believed to do so for this long without a sign.
    pub(crate) fn trust(&self, lasting: Duration) {
        let until_ms = self.epoch_ms() + u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX / 2);
        self.trusted_until_ms.fetch_max(until_ms, Ordering::Relaxed);
    }

    fn epoch_ms(&self) -> u64 {
        let now = self.clock.now().saturating_duration_since(self.epoch).as_millis();
        u64::try_from(now).unwrap_or(u64::MAX)
    }

    /// Has the instance ended?
    pub(crate) fn is_stopped(&self) -> bool {
        let state = self.raft.server_metrics().borrow_watched().state;
        state == ServerState::Shutdown || self.fault().is_some()
    }

    pub(crate) fn metrics(&self) -> RaftMetrics<Types> {
        self.raft.metrics().borrow_watched().clone()
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.raft.server_metrics().borrow_watched().state == ServerState::Leader
    }

    /// The term, if this replica leads.
    pub(crate) fn led_term(&self) -> Option<u64> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        (metrics.state == ServerState::Leader).then_some(metrics.vote.leader_id.term)
    }

    /// Who leads, by the newest vote; this replica only while it does.
    pub(crate) fn leader(&self) -> Option<RaftId> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let leader = metrics.current_leader.map(RaftId)?;
        (leader != self.me || metrics.state == ServerState::Leader).then_some(leader)
    }

    /// Who leads by the newest vote on record: known from the start, while `leader` waits for Raft's first report. This
    /// replica only if it leads from birth.
    pub(crate) fn leader_on_record(&self) -> Option<RaftId> {
        let elected = self.log.vote().filter(|vote| vote.committed).map(|vote| RaftId(vote.node));
        elected.filter(|leader| *leader != self.me || self.seeded == Seeded::Leader)
    }

    pub(crate) fn term(&self) -> u64 {
        self.raft.metrics().borrow_watched().current_term
    }

    /// Is the instance still running?
    pub(crate) fn fault(&self) -> Option<String> {
        self.raft.metrics().borrow_watched().running_state.as_ref().err().map(ToString::to_string)
    }

    /// Entries applied since the newest snapshot.
    pub(crate) fn entries_since_snapshot(&self) -> u64 {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let applied = metrics.last_applied.as_ref().map_or(0, |id| id.index);
        applied.saturating_sub(metrics.snapshot.as_ref().map_or(0, |id| id.index))
    }

    /// The last entry, else what was purged last.
    pub(crate) fn last_id(&self) -> Option<muster_wal::LogId> {
        self.log.last()
    }

    /// Does the log reach as far as this?
    pub(crate) fn has(&self, id: &LogId) -> bool {
        self.last_id() >= Some(convert::wal_log_id(id))
    }

    /// Does this leader, and everybody who lives, have and know everything?
    pub(crate) fn is_caught_up(&self, lives: impl Fn(MemberNumber) -> bool) -> bool {
        let (metrics, last) = (self.metrics(), self.log.last().map(|id| id.index));
        let known = |at: Option<u64>| at == last;
        let here = known(metrics.local_committed.as_ref().map(|id| id.index))
            && known(metrics.last_applied.as_ref().map(|id| id.index));
        let mut others = self.others().filter(|other| lives(other.member()));
        here && others.all(|other| known(self.matched(other)))
    }

    /// Was this replica elected last, and does it not lead any more? So it is after it was opened again.
    pub(crate) fn is_former_leader(&self) -> bool {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let elected = metrics.vote.is_committed() && metrics.vote.leader_id.node_id == self.me.0;
        elected && metrics.state != ServerState::Leader
    }

    /// How far a replica is; known at the leader only.
    pub(crate) fn matched(&self, id: RaftId) -> Option<u64> {
        let metrics = self.metrics();
        metrics.replication.as_ref()?.get(&id.0)?.as_ref().map(|at| at.index)
    }

    /// As shown to people.
    pub(crate) fn status(&self) -> GroupStatus {
        let (metrics, token) = (self.metrics(), self.views.borrow().token());
        GroupStatus {
            job: (self.id != GroupId(0)).then_some(self.job),
            group: self.id,
            set_index: self.wires.set_index.load(Ordering::Relaxed),
            state: "awake",
            role: role_of(metrics.state),
            leader: self.leader().map(RaftId::member),
            term: metrics.current_term,
            token,
            last_log: self.log.last().map(|id| id.index),
            committed: metrics.local_committed.as_ref().map(|id| id.index),
            applied: metrics.last_applied.as_ref().map(|id| id.index),
            snapshot: metrics.snapshot.as_ref().map(|id| id.index),
            purged: metrics.purged.as_ref().map(|id| id.index),
            replicas: replicas_of(&metrics),
        }
    }

    /// Stops the instance and waits until its log is released.
    pub(crate) async fn close(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(group = %self.id, %error, "a Raft instance did not stop cleanly");
        }
    }
}

const fn role_of(state: ServerState) -> &'static str {
    match state {
        ServerState::Leader => "leader",
        ServerState::Candidate => "candidate",
        ServerState::Follower => "follower",
        ServerState::Learner | ServerState::Shutdown => "learner",
    }
}

fn replicas_of(metrics: &RaftMetrics<Types>) -> Vec<ReplicaStatus> {
    let membership = metrics.membership_config.membership();
    let voters: Vec<u64> = membership.voter_ids().collect();
    let matched = |id: &u64| metrics.replication.as_ref()?.get(id)?.as_ref().map(|at| at.index);
    let state = |id: &u64| if voters.contains(id) { "voter" } else { "learner" };
    let status =
        |id: &u64| ReplicaStatus { node: RaftId(*id).member(), matched: matched(id), state: state(id) };
    membership.nodes().map(|(id, ())| status(id)).collect()
}

//! Raft's calls to the other replicas of a group, over the node's links.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use muster_link::CallError;
use muster_wire::rpc::raft::{
    BirthSet, GroupFrame, LogIdAt, RaftAppend, RaftPreVote, RaftSnapshot, RaftTransfer, RaftVote, VoteFor,
};
use muster_wire::rpc::{Call, RpcError};
use muster_wire::{GroupId, JobId, RaftId};
use openraft::OptionalSend;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{Backoff, RPCOption, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::convert;
use super::group::Ground;
use super::opening::Opening;
use super::outgoing::fewer_requests;
use super::pace::{Pace, Seat};
use super::pipeline::{Appended, Distance, pipelined};
use super::types::{Snapshot, SnapshotBytes, Types, Vote};
use crate::host::peers::Peers;

/// Bytes of one piece of a snapshot.
const PIECE_BYTES: usize = 1024 * 1024;
/// An append waits for the follower's disk: this much longer than Raft's own timeout, which is made for heartbeats. A
/// lost link ends the wait at once.
const APPEND_PATIENCE: u32 = 4;
/// How long one piece of a snapshot may take.
const PIECE_TTL: Duration = Duration::from_secs(20);

/// Between two tries to replicate to a follower: the first, and the longest for one that cannot be reached. A link that
/// is there again ends the pause.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MOST: Duration = Duration::from_millis(3200);

/// How long the news that entries of a job are committed waits for the next entries, which bring it along; and how long entries
/// wait for more where they are not needed at once.
const REST: Duration = Duration::from_millis(100);

/// What every frame of a group says. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Wires {
    pub(crate) peers: Peers,
    pub(crate) group: GroupId,
    pub(crate) job: JobId,
    pub(crate) me: RaftId,
    pub(crate) birth: Option<BirthSet>,
    pub(crate) set_index: Arc<AtomicU64>,
    /// Replicas that are being asked whether they would vote.
    asked: Arc<AtomicU32>,
    /// How long what is new may wait for more.
    pub(crate) pace: Arc<Pace>,
}

impl Wires {
    pub(crate) fn of(ground: &Ground, opening: &Opening) -> Self {
        Self {
            peers: ground.peers.clone(),
            group: opening.group,
            job: opening.job,
            me: opening.me,
            birth: opening.birth.clone(),
            set_index: Arc::new(AtomicU64::new(opening.set_index)),
            asked: Arc::default(),
            pace: Arc::new(Pace::new(opening.group, rest(opening))),
        }
    }

    fn frame_to(&self, target: RaftId) -> GroupFrame {
        GroupFrame {
            group: self.group,
            job: self.job,
            target,
            sender: self.me,
            set_index: self.set_index.load(Ordering::Relaxed),
            birth: self.birth.clone(),
        }
    }

    /// Has this replica asked others whether they would vote, and not heard from each?
    pub(crate) fn is_asking(&self) -> bool {
        self.asked.load(Ordering::Relaxed) > 0
    }

    fn ask(&self) -> Asked<'_> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Asked(&self.asked)
    }

    /// Asks `to` to lead, whose log must reach as far as `last`.
    pub(crate) fn transfer_call(&self, from: &Vote, to: RaftId, last: Option<LogIdAt>) -> RaftTransfer {
        RaftTransfer { frame: self.frame_to(to), from: convert::wire_vote(from), to, last }
    }
}

/// One question, until it is dropped.
struct Asked<'w>(&'w AtomicU32);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whoever changes the directory waits until the change is applied where he is; of jobs that is only the leader.
const fn rest(opening: &Opening) -> Duration {
    match opening.birth {
        None => Duration::ZERO,
        Some(_) => REST,
    }
}

impl RaftNetworkFactory<Types> for Wires {
    type Network = Wire;

    async fn new_client(&mut self, target: u64, _node: &()) -> Wire {
        let target = RaftId(target);
        Wire { wires: self.clone(), target, distance: self.peers.distance(target.member()) }
    }
}

/// The way to one replica.
pub(crate) struct Wire {
    wires: Wires,
    target: RaftId,
    distance: Arc<Distance>,
}

impl Wire {
    fn frame(&self) -> GroupFrame {
        self.wires.frame_to(self.target)
    }

    async fn call<C: Call>(
        &self,
        call: &C,
        within: Duration,
        action: RPCTypes,
    ) -> Result<C::Reply, RPCError<Types>> {
        let answer = self.wires.peers.call(self.target.member(), call, within).await;
        answer.map_err(|error| self.fault(&error, within, action))
    }

    fn fault(&self, error: &CallError, timeout: Duration, action: RPCTypes) -> RPCError<Types> {
        match error {
            CallError::Timeout => self.timed_out(timeout, action),
            CallError::Reset | CallError::Rpc(RpcError::Unknown { .. }) => {
                RPCError::Network(NetworkError::new(error))
            }
            _ => RPCError::Unreachable(Unreachable::new(error)),
        }
    }

    fn timed_out(&self, timeout: Duration, action: RPCTypes) -> RPCError<Types> {
        RPCError::Timeout(Timeout { action, id: self.wires.me.0, target: self.target.0, timeout })
    }

    fn append_call(&self, request: &AppendEntriesRequest<Types>) -> Result<RaftAppend, RPCError<Types>> {
        let entries: Result<Vec<_>, _> = request.entries.iter().map(convert::wire_entry).collect();
        Ok(RaftAppend {
            frame: self.frame(),
            vote: convert::wire_vote(&request.vote),
            prev: request.prev_log_id.as_ref().map(convert::wire_log_id),
            entries: entries.map_err(|error| RPCError::Network(NetworkError::new(&error)))?,
            committed: request.leader_commit.as_ref().map(convert::wire_log_id),
        })
    }

    async fn append(
        &self,
        request: AppendEntriesRequest<Types>,
        within: Duration,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let call = self.append_call(&request)?;
        Ok(convert::appended(&self.call(&call, within, RPCTypes::AppendEntries).await?))
    }

    async fn paced(
        &self,
        seat: Arc<Seat>,
        request: AppendEntriesRequest<Types>,
        within: Duration,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let upto = request.entries.last().map(|entry| entry.log_id.index);
        let answer = self.append(request, within);
        match upto {
            Some(upto) => seat.sent(upto, answer, || self.distance.is_near()).await,
            None => answer.await,
        }
    }

    fn vote_call(&self, request: &VoteRequest<Types>) -> RaftVote {
        RaftVote {
            frame: self.frame(),
            vote: convert::wire_vote(&request.vote),
            last: request.last_log_id.as_ref().map(convert::wire_log_id),
            transfer: request.leadership_transfer,
        }
    }

    async fn send_pieces(
        &self,
        vote: Vote,
        snapshot: Snapshot,
    ) -> Result<SnapshotResponse<Types>, RPCError<Types>> {
        let total = snapshot.snapshot.0.len();
        let mut offset = 0;
        loop {
            let end = total.min(offset + PIECE_BYTES);
            let piece = self.piece(&vote, &snapshot, offset..end);
            let taken = self.wires.peers.call_aside(self.target.member(), &piece, PIECE_TTL).await;
            let taken = taken.map_err(|error| self.fault(&error, PIECE_TTL, RPCTypes::InstallSnapshot))?;
            let refused = taken.vote != convert::wire_vote(&vote);
            match next_piece(taken.have, (end, total)).filter(|_| !refused) {
                Some(next) => offset = next,
                None => return Ok(SnapshotResponse::new(answered(&vote, &taken.vote))),
            }
        }
    }

    fn piece(&self, vote: &Vote, snapshot: &Snapshot, range: std::ops::Range<usize>) -> RaftSnapshot {
        let bytes: &Bytes = &snapshot.snapshot.0;
        RaftSnapshot {
            frame: self.frame(),
            vote: convert::wire_vote(vote),
            last: snapshot.meta.last_log_id.as_ref().map(convert::wire_log_id),
            membership: convert::wire_stored(&snapshot.meta.last_membership),
            total: bytes.len() as u64,
            offset: range.start as u64,
            bytes: bytes.slice(range),
        }
    }
}

/// Where the next piece begins; none once the follower has all of it. It may have more than was sent now, from an earlier
/// try, and less, if it was restarted: the end of what was sent alone says nothing.
fn next_piece(have: Option<u64>, (sent, total): (usize, usize)) -> Option<usize> {
    let have = have.map_or(sent, |have| have as usize);
    (have < total).then_some(have)
}

/// Pauses that grow while there is no link.
fn pauses(mut is_linked: impl FnMut() -> bool) -> impl Iterator<Item = Duration> {
    let mut last = PAUSE / 2;
    std::iter::from_fn(move || {
        last = if is_linked() { PAUSE } else { PAUSE_MOST.min(last * 2) };
        Some(last)
    })
}

fn answered(ours: &Vote, theirs: &VoteFor) -> Vote {
    match *theirs == convert::wire_vote(ours) {
        true => *ours,
        false => convert::vote(theirs),
    }
}

type Appends<'s> = BoxFuture<'s, Result<BoxStream<'s, Appended>, RPCError<Types>>>;

impl RaftNetworkV2<Types> for Wire {
    type SnapshotData = SnapshotBytes;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        self.append(request, option.soft_ttl() * APPEND_PATIENCE).await
    }

    fn stream_append<'s, S>(&'s mut self, input: S, option: RPCOption) -> Appends<'s>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let seat = Arc::new(self.wires.pace.join(self.target));
        let requests = fewer_requests(input, seat.clone());
        let within = option.soft_ttl() * APPEND_PATIENCE;
        let this = &*self;
        let sent =
            pipelined(requests, &this.distance, move |request| this.paced(seat.clone(), request, within));
        Box::pin(std::future::ready(Ok(sent)))
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let call = self.vote_call(&request);
        Ok(convert::voted(&self.call(&call, option.soft_ttl(), RPCTypes::Vote).await?))
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let _asked = self.wires.ask();
        let call = RaftPreVote { ask: self.vote_call(&request) };
        Ok(convert::voted(&self.call(&call, option.soft_ttl(), RPCTypes::Vote).await?))
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = tokio::time::timeout(option.hard_ttl(), self.send_pieces(vote, snapshot)) => match sent {
                Ok(answer) => Ok(answer?),
                Err(_) => Err(self.timed_out(option.hard_ttl(), RPCTypes::InstallSnapshot).into()),
            },
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let call = RaftTransfer {
            frame: self.frame(),
            from: convert::wire_vote(request.from_leader()),
            to: RaftId(*request.to_node_id()),
            last: request.last_log_id().map(convert::wire_log_id),
        };
        self.call(&call, option.soft_ttl(), RPCTypes::TransferLeader).await.map(|_| Ok(()))
    }

    fn backoff(&self) -> Option<Backoff> {
        let (peers, member) = (self.wires.peers.clone(), self.target.member());
        Some(Backoff::new(pauses(move || peers.is_linked(member))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_while_there_is_no_link_and_are_short_again_with_one() {
        let mut links = [false, false, false, false, false, false, true, false].into_iter();
        let ms: Vec<u128> = pauses(|| links.next().unwrap()).take(8).map(|pause| pause.as_millis()).collect();
        assert_eq!(ms, [200, 400, 800, 1600, 3200, 3200, 200, 400]);
    }

    #[test]
    fn a_snapshot_is_sent_when_the_follower_has_all_of_it_and_not_before() {
        assert_eq!(next_piece(Some(4), (4, 9)), Some(4));
        assert_eq!(next_piece(Some(7), (4, 9)), Some(7), "an earlier try came further");
        assert_eq!(next_piece(Some(0), (9, 9)), Some(0), "it was restarted before the last piece");
        assert_eq!(next_piece(Some(9), (9, 9)), None);
    }
}

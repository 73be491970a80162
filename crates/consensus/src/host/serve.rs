//! Calls of other hosts: numbers 20–49.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use muster_link::{Service, router};
use muster_machine::Machine;
use muster_runtime::is_sabotaged;
use muster_wire::hello::Hello;
use muster_wire::rpc::raft::{
    AskClock, AskReadIndex, ClockAt, FetchState, GroupFrame, GroupState, LeaderGone, ProposeEntry, Proposed,
    RaftAppend, RaftPreVote, RaftSnapshot, RaftTransfer, RaftVote, ReadIndexAt,
};
use muster_wire::rpc::{Call, RpcError};
use muster_wire::{GroupId, RaftId};
use tokio::time::Instant;

use super::Host;
use super::directory::DIRECTORY_JOB;
use super::jobs::state_of;
use crate::directory::Directory;
use crate::raft::forward::encoded;
use crate::raft::group::Group;
use crate::raft::opening::Opening;

/// How long a frame waits for a group in creation.
const CREATION_WAIT: Duration = Duration::from_secs(1);
/// The longest that another node's caller is waited for.
const WITHIN_MAX: Duration = Duration::from_secs(60);

/// A call of Raft to one group.
pub(crate) trait GroupCall: Call {
    /// Which group.
    fn frame(&self) -> &GroupFrame;
    /// Does it wake a sleeping group?
    fn is_use(&self) -> bool;
    /// Answers it.
    fn answer<G: Machine>(
        self,
        group: &Group<G>,
    ) -> impl Future<Output = Result<Self::Reply, RpcError>> + Send;
}

/// Declares how a group answers each call.
macro_rules! group_calls {
    ($($call:ident, $frame:ident, $is_use:expr => |$this:ident, $group:ident| $answer:expr;)+) => {
        $(
            impl GroupCall for $call {
                fn frame(&self) -> &GroupFrame {
                    let $frame = self;
                    frame_of!($call, $frame)
                }

                fn is_use(&self) -> bool {
                    let is_use: fn(&Self) -> bool = $is_use;
                    is_use(self)
                }

                async fn answer<G: Machine>(self, $group: &Group<G>) -> Result<Self::Reply, RpcError> {
                    let $this = self;
                    $answer
                }
            }
        )+
    };
}

/// Where a call keeps its frame.
macro_rules! frame_of {
    (RaftPreVote, $call:ident) => {
        &$call.ask.frame
    };
    ($other:ident, $call:ident) => {
        &$call.frame
    };
}

group_calls! {
    RaftAppend, call, |append| !append.entries.is_empty() => |this, group| group.on_append(this).await;
    RaftVote, call, |_| true => |this, group| group.on_vote(&this).await;
    RaftPreVote, call, |_| false => |this, group| group.on_pre_vote(&this.ask).await;
    RaftSnapshot, call, |_| true => |this, group| group.on_snapshot(this).await;
    RaftTransfer, call, |_| true => |this, group| group.on_transfer(&this).await;
}

/// The service of a host.
pub(crate) fn service<M: Machine>(host: &Arc<Host<M>>) -> Arc<dyn Service> {
    let builder = router()
        .on::<RaftAppend, _, _>(grouped(host))
        .on::<RaftVote, _, _>(grouped(host))
        .on::<RaftPreVote, _, _>(grouped(host))
        .on::<RaftSnapshot, _, _>(grouped(host))
        .on::<RaftTransfer, _, _>(grouped(host));
    let (propose, index, fetch, gone) = (host.clone(), host.clone(), host.clone(), host.clone());
    builder
        .on::<AskClock, _, _>(clock_of(host))
        .on::<ProposeEntry, _, _>(move |peer, call| served(&propose, &peer, |host| host.on_propose(call)))
        .on::<AskReadIndex, _, _>(move |peer, call| served(&index, &peer, |host| host.on_ask_index(call)))
        .on::<FetchState, _, _>(move |peer, call| served(&fetch, &peer, |host| host.on_fetch(call)))
        .on::<LeaderGone, _, _>(move |peer, call| {
            served(&gone, &peer, |host| async move { Ok(host.on_told(call).await) })
        })
        .build()
}

fn clock_of<M: Machine>(host: &Arc<Host<M>>) -> impl Fn(Arc<Hello>, AskClock) -> Answer<ClockAt> + use<M> {
    let host = host.clone();
    move |peer, _| served(&host, &peer, |host| async move { Ok(ClockAt { unix_ms: host.clock().unix_ms() }) })
}

type Answer<T> = futures_util::future::BoxFuture<'static, Result<T, RpcError>>;

fn grouped<M: Machine, C: GroupCall + Sync>(
    host: &Arc<Host<M>>,
) -> impl Fn(Arc<Hello>, C) -> Answer<C::Reply> + use<M, C> {
    let host = host.clone();
    move |peer, call| {
        let host = host.clone();
        Box::pin(async move { host.on_group_call(&peer, call).await })
    }
}

/// Only members of this cluster are answered.
fn served<M, T, F, Fut>(host: &Arc<Host<M>>, peer: &Hello, answer: F) -> Answer<T>
where
    M: Machine,
    T: Send + 'static,
    F: FnOnce(Arc<Host<M>>) -> Fut,
    Fut: Future<Output = Result<T, RpcError>> + Send + 'static,
{
    match host.peers().is_of_our_cluster(peer) {
        true => Box::pin(answer(host.clone())),
        false => Box::pin(std::future::ready(Err(stranger()))),
    }
}

fn stranger() -> RpcError {
    RpcError::Refused { why: "only members of this cluster are answered".into() }
}

impl<M: Machine> Host<M> {
    async fn on_group_call<C: GroupCall>(
        self: Arc<Self>,
        peer: &Hello,
        call: C,
    ) -> Result<C::Reply, RpcError> {
        let frame = call.frame();
        if !self.is_from(peer, frame) {
            return Err(stranger());
        }
        self.peers().learn_newer(peer);
        if frame.group == GroupId(0) {
            return self.on_directory_call(call).await;
        }
        let deadline = self.clock().now() + CREATION_WAIT;
        self.await_opening(frame, deadline).await?;
        let opening = self.opening_for(frame)?;
        let slot = self.ensure(opening)?;
        if call.is_use() {
            self.use_now(&slot);
        }
        let group = self.resident_as_is(&slot, deadline).await?;
        call.answer(&group).await
    }

    fn is_from(&self, peer: &Hello, frame: &GroupFrame) -> bool {
        self.peers().is_of_our_cluster(peer) && peer.member == frame.sender.member()
    }

    async fn on_directory_call<C: GroupCall>(&self, call: C) -> Result<C::Reply, RpcError> {
        let group = self.directory.group();
        match call.frame().target == group.me {
            true => call.answer::<Directory>(group).await,
            false => Err(RpcError::NotServing),
        }
    }

    /// A replica of a group with an opening is only seeded with it: seeds without it could outvote the one that has it, and
    /// the job was acknowledged.
    async fn await_opening(&self, frame: &GroupFrame, deadline: Instant) -> Result<(), RpcError> {
        let has_opening = frame.birth.as_ref().is_some_and(|birth| birth.has_opening);
        if has_opening && self.slot(frame.job).is_none() {
            self.directory.group().view_at(frame.set_index, deadline).await?;
        }
        Ok(())
    }

    /// The directory decides, once it is as new as the frame; before that the authenticated sender is trusted.
    fn opening_for(&self, frame: &GroupFrame) -> Result<Opening, RpcError> {
        if frame.target.member() != self.me() {
            return Err(RpcError::NotServing);
        }
        let view = self.directory.view();
        let row = view.state.job(frame.job).filter(|row| row.group == frame.group);
        // Of two replicas on this member only the one that comes is served.
        let mine = row.and_then(|row| self.my_opening(row));
        let served = mine.filter(|mine| is_meant(mine.me, frame.target));
        match (served, view.applied < frame.set_index) {
            (Some(mine), _) => Ok(mine),
            (None, true) => trusted(frame),
            (None, false) => Err(RpcError::UnknownJob),
        }
    }

    async fn on_propose(self: Arc<Self>, call: ProposeEntry) -> Result<Proposed, RpcError> {
        let deadline = self.deadline_in(call.within_ms);
        let written = match (call.job == DIRECTORY_JOB, call.forwarded) {
            (true, _) => self.directory.group().write(call.entry, deadline).await,
            (false, true) => self.propose_here(call.job, call.entry, deadline).await,
            (false, false) => self.propose(call.job, &call.entry, deadline).await,
        };
        Ok(encoded(&written?)?)
    }

    async fn on_ask_index(self: Arc<Self>, call: AskReadIndex) -> Result<ReadIndexAt, RpcError> {
        let deadline = self.deadline_in(call.within_ms);
        let index = match call.job == DIRECTORY_JOB {
            true => self.directory.group().read_index(deadline).await?,
            false => self.index_here(&call, deadline).await?,
        };
        Ok(ReadIndexAt { index })
    }

    async fn index_here(self: &Arc<Self>, call: &AskReadIndex, deadline: Instant) -> Result<u64, RpcError> {
        let slot = self.slot(call.job).ok_or_else(|| self.absent(call.job))?;
        let group = self.resident_as_is(&slot, deadline).await?;
        let index = group.read_index(deadline).await?;
        // Whoever asks waits until he has the entries.
        group.wires.pace.hurry(Duration::ZERO);
        Ok(index)
    }

    async fn on_fetch(self: Arc<Self>, call: FetchState) -> Result<GroupState, RpcError> {
        let deadline = self.deadline_in(call.within_ms);
        let slot = self.slot(call.job).ok_or_else(|| self.absent(call.job))?;
        let group = self.resident_as_is(&slot, deadline).await?;
        let view = match call.linearizable {
            true => group.up_to_date(deadline).await?,
            false => group.view(),
        };
        // What takes long is not done by the link's reader, which begins control calls.
        tokio::task::yield_now().await;
        Ok(state_of(&view)?)
    }

    fn deadline_in(&self, within_ms: u64) -> Instant {
        self.clock().now() + Duration::from_millis(within_ms).min(WITHIN_MAX)
    }
}

/// A frame for an earlier replica on this member is not for the present one, which has promised and kept nothing of that.
fn is_meant(mine: RaftId, target: RaftId) -> bool {
    mine == target || is_sabotaged("stale-incarnation")
}

fn trusted(frame: &GroupFrame) -> Result<Opening, RpcError> {
    let Some(birth) = frame.birth.clone() else { return Err(RpcError::UnknownJob) };
    let (group, job, me, set_index) = (frame.group, frame.job, frame.target, frame.set_index);
    Ok(Opening { group, job, me, set_index, birth: Some(birth) })
}

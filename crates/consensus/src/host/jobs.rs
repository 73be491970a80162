//! Proposals to jobs and reads of them, from any node: at the local replica, or at one that the directory names.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use muster_machine::Machine;
use muster_wire::rpc::raft::{FetchState, GroupState, ProposeEntry};
use muster_wire::{JobId, MemberNumber, NodeRef};
use tokio::time::Instant;

use super::Host;
use super::slot::Slot;
use crate::directory::JobRow;
use crate::error::ProposeError;
use crate::raft::forward::{after_call, decoded, left_ms};
use crate::raft::group::Group;
use crate::raft::write::Written;
use crate::status::{Consistency, View};

/// Pause before the replicas of a job are asked again.
const ASK_PAUSE: Duration = Duration::from_millis(50);

impl<M: Machine> Host<M> {
    /// Proposes at the job's leader, wherever it is.
    pub(crate) async fn propose(
        self: &Arc<Self>,
        job: JobId,
        entry: &Bytes,
        deadline: Instant,
    ) -> Result<Written, ProposeError> {
        let _permit = self.in_flight.clone().try_acquire_owned().map_err(|_| ProposeError::busy())?;
        match self.propose_known(job, entry, deadline).await {
            Err(ProposeError::UnknownJob) => {
                self.look_again(deadline).await?;
                self.propose_known(job, entry, deadline).await
            }
            other => other,
        }
    }

    /// This node's directory may lag behind a registration that was acknowledged elsewhere.
    async fn look_again(&self, deadline: Instant) -> Result<(), ProposeError> {
        self.directory.group().up_to_date(deadline).await.map(drop)
    }

    async fn propose_known(
        self: &Arc<Self>,
        job: JobId,
        entry: &Bytes,
        deadline: Instant,
    ) -> Result<Written, ProposeError> {
        let here = match self.local(job) {
            Some(slot) => self.propose_by(&slot, entry, deadline).await,
            None => Err(ProposeError::NotServing),
        };
        match here {
            Err(ProposeError::NotServing) => self.propose_away(job, entry, deadline).await,
            other => other,
        }
    }

    /// Proposes only if this node's replica leads.
    pub(crate) async fn propose_here(
        self: &Arc<Self>,
        job: JobId,
        entry: Bytes,
        deadline: Instant,
    ) -> Result<Written, ProposeError> {
        let _permit = self.in_flight.clone().try_acquire_owned().map_err(|_| ProposeError::busy())?;
        let slot = self.slot(job).ok_or_else(|| self.absent(job))?;
        self.admit(&slot)?;
        let group = self.resident(&slot, deadline).await?;
        let _waiting = slot.standing.wait_guard();
        if group.is_former_leader() {
            self.want_leader(&slot);
            group.until_led(deadline).await?;
        }
        group.write(entry, deadline).await
    }

    async fn propose_by(
        self: &Arc<Self>,
        slot: &Arc<Slot<M>>,
        entry: &Bytes,
        deadline: Instant,
    ) -> Result<Written, ProposeError> {
        self.admit(slot)?;
        let _waiting = slot.standing.wait_guard();
        let group = self.group_for_caller(slot, deadline).await?;
        self.use_now(slot);
        self.want_if_leaderless(slot, &group);
        group.propose(entry, deadline).await
    }

    /// A replica that was added and has nothing yet is of no use to callers, nor can it be elected: they ask the others,
    /// which may all be asleep.
    async fn group_for_caller(
        self: &Arc<Self>,
        slot: &Arc<Slot<M>>,
        deadline: Instant,
    ) -> Result<Arc<Group<M>>, ProposeError> {
        match self.resident_as_is(slot, deadline).await {
            Ok(group) if group.is_blank() => Err(ProposeError::NotServing),
            Ok(group) => Ok(group),
            Err(error) => Err(self.unless_absent(slot.job(), error)),
        }
    }

    fn unless_absent(&self, job: JobId, error: ProposeError) -> ProposeError {
        match self.directory.view().state.job(job) {
            Some(_) => error,
            None => self.absent(job),
        }
    }

    /// A read leaves a group that is led here asleep.
    fn use_unless_led(&self, slot: &Arc<Slot<M>>, group: &Group<M>) {
        if !group.is_leader() {
            self.use_now(slot);
        }
    }

    fn want_if_leaderless(&self, slot: &Slot<M>, group: &Group<M>) {
        if !group.has_leader() {
            self.want_leader(slot);
        }
    }

    /// The slot of this node's replica, made if the directory says that there is one.
    fn local(self: &Arc<Self>, job: JobId) -> Option<Arc<Slot<M>>> {
        let there = self.slot(job);
        there.or_else(|| {
            let view = self.directory.view();
            let opening = view.state.job(job).and_then(|row| self.my_opening(row))?;
            self.ensure(opening).ok()
        })
    }

    /// Asks the job's replicas in turn; each forwards once.
    async fn propose_away(
        &self,
        job: JobId,
        entry: &Bytes,
        deadline: Instant,
    ) -> Result<Written, ProposeError> {
        let mut hint = None;
        loop {
            for member in self.members_to_ask(job, hint)? {
                match self.propose_at(member, (job, entry), deadline).await {
                    Err(ProposeError::NotLeader { leader, .. }) => hint = leader.map(|leader| leader.member),
                    other => return other,
                }
            }
            self.pause(deadline).await?;
        }
    }

    async fn propose_at(
        &self,
        member: MemberNumber,
        (job, entry): (JobId, &Bytes),
        deadline: Instant,
    ) -> Result<Written, ProposeError> {
        let now = self.clock().now();
        let call =
            ProposeEntry { job, entry: entry.clone(), within_ms: left_ms(deadline, now), forwarded: false };
        let answer = self.peers().call(member, &call, deadline.saturating_duration_since(now)).await;
        answer.map_err(|error| after_call(&error)).and_then(|proposed| decoded(&proposed))
    }

    async fn pause(&self, deadline: Instant) -> Result<(), ProposeError> {
        let until = self.clock().now() + ASK_PAUSE;
        if until >= deadline {
            return Err(ProposeError::Timeout);
        }
        tokio::time::sleep_until(until).await;
        Ok(())
    }

    /// The job's replicas, the one hinted at first.
    fn members_to_ask(
        &self,
        job: JobId,
        hint: Option<MemberNumber>,
    ) -> Result<Vec<MemberNumber>, ProposeError> {
        let view = self.directory.view();
        let row = view.state.job(job).ok_or_else(|| self.absent(job))?;
        let mut members = self.reachable_first(row);
        members.sort_by_key(|member| Some(*member) != hint);
        Ok(members)
    }

    fn reachable_first(&self, row: &JobRow) -> Vec<MemberNumber> {
        let is_down = |member: &MemberNumber| {
            let node = self.peers().node(*member);
            node.and_then(|node| self.peers().swim().member(node.id))
                .is_some_and(|seen| !seen.state.is_live())
        };
        let members = row.replicas.iter().map(|replica| replica.member());
        let mut members: Vec<MemberNumber> = members.filter(|member| *member != self.me()).collect();
        members.sort_by_key(is_down);
        members
    }

    /// Why a job is not here.
    pub(crate) fn absent(&self, job: JobId) -> ProposeError {
        match self.directory.view().state.tombstone(job) {
            Some(gone) => ProposeError::Gone { status: gone.status },
            None => ProposeError::UnknownJob,
        }
    }

    /// Reads a job from any node.
    pub(crate) async fn read(
        self: &Arc<Self>,
        job: JobId,
        how: Consistency,
        deadline: Instant,
    ) -> Result<View<M>, ProposeError> {
        match self.read_known(job, how, deadline).await {
            Err(ProposeError::UnknownJob) => {
                self.look_again(deadline).await?;
                self.read_known(job, how, deadline).await
            }
            other => other,
        }
    }

    async fn read_known(
        self: &Arc<Self>,
        job: JobId,
        how: Consistency,
        deadline: Instant,
    ) -> Result<View<M>, ProposeError> {
        let here = match self.local(job) {
            Some(slot) => self.read_by(&slot, how, deadline).await,
            None => Err(ProposeError::NotServing),
        };
        match here {
            Err(ProposeError::NotServing) => self.read_away(job, how, deadline).await,
            other => other,
        }
    }

    async fn read_by(
        self: &Arc<Self>,
        slot: &Arc<Slot<M>>,
        how: Consistency,
        deadline: Instant,
    ) -> Result<View<M>, ProposeError> {
        let group = self.group_for_caller(slot, deadline).await?;
        if how == Consistency::Stale {
            return group.view_at(group.begins_at, deadline).await;
        }
        let _waiting = slot.standing.wait_guard();
        self.use_unless_led(slot, &group);
        self.want_if_leaderless(slot, &group);
        group.up_to_date(deadline).await
    }

    async fn read_away(
        &self,
        job: JobId,
        how: Consistency,
        deadline: Instant,
    ) -> Result<View<M>, ProposeError> {
        loop {
            for member in self.members_to_ask(job, None)? {
                if let Ok(view) = self.fetch(member, (job, how), deadline).await {
                    return Ok(view);
                }
            }
            self.pause(deadline).await?;
        }
    }

    async fn fetch(
        &self,
        member: MemberNumber,
        (job, how): (JobId, Consistency),
        deadline: Instant,
    ) -> Result<View<M>, ProposeError> {
        let now = self.clock().now();
        let linearizable = how == Consistency::Linearizable;
        let call = FetchState { job, linearizable, within_ms: left_ms(deadline, now) };
        let answer = self.peers().call(member, &call, deadline.saturating_duration_since(now)).await;
        answer.map_err(|error| after_call(&error)).and_then(|state| view_of(&state))
    }

    /// Who leads a job, as far as this node's replica knows.
    pub(crate) fn leader_of(&self, job: JobId) -> Option<NodeRef> {
        let slot = self.slot(job)?;
        let leader = match slot.running() {
            Some(group) => group.leader()?.member(),
            None => slot.status().leader?,
        };
        self.peers().node(leader)
    }

    /// The same; waits while nobody leads.
    pub(crate) async fn await_leader(self: &Arc<Self>, job: JobId, deadline: Instant) -> Option<NodeRef> {
        if let Some(leader) = self.leader_of(job) {
            return Some(leader);
        }
        let slot = self.local(job)?;
        let group = self.group_for_caller(&slot, deadline).await.ok()?;
        let _waiting = slot.standing.wait_guard();
        self.use_now(&slot);
        self.want_if_leaderless(&slot, &group);
        group.until_led(deadline).await.ok()?;
        self.leader_of(job)
    }
}

fn view_of<M: Machine>(state: &GroupState) -> Result<View<M>, ProposeError> {
    let machine = M::restore(&state.state).map_err(|error| ProposeError::Fatal(error.to_string()))?;
    let age = Duration::from_millis(state.age_ms);
    Ok(View { state: Arc::new(machine), applied: state.applied, term: 0, at_ms: state.at_ms, age })
}

/// A view as another node is given it.
pub(crate) fn state_of<M: Machine>(view: &View<M>) -> Result<GroupState, ProposeError> {
    let bytes = view.state.encode().map_err(|error| ProposeError::Fatal(error.to_string()))?;
    let age_ms = u64::try_from(view.age.as_millis()).unwrap_or(u64::MAX);
    Ok(GroupState { applied: view.applied, at_ms: view.at_ms, age_ms, state: Bytes::from(bytes) })
}

//! From what a coordinator and a failure detector say to the documents of the API.

use std::sync::Arc;

use muster_consensus::{Coordinator, Directory, GroupStatus};
use muster_machine::Machine;
use muster_swim::Member;
use muster_wire::api::{GroupCounts, GroupView, MemberView, RaftHealth, ReplicaView};
use muster_wire::{JobId, MemberNumber, NodeRef};

use super::Basics;
use crate::http::{Answer, Problem};

/// A job by its id or an unambiguous prefix of it.
pub fn resolve(directory: &Directory, text: &str) -> Answer<JobId> {
    if let Ok(job) = text.parse() {
        return Ok(job);
    }
    match directory.resolve_prefix(text)[..] {
        [job] => Ok(job),
        [] => Err(Problem::unknown_job()),
        _ => Err(Problem::conflict(
            "ambiguous",
            format!("several jobs begin with `{text}`: give more of the id"),
        )),
    }
}

/// Names of members by their numbers.
pub(super) struct Names<'a> {
    directory: Arc<Directory>,
    /// Knows those that the directory has no row of yet.
    node: Box<dyn Fn(MemberNumber) -> Option<NodeRef> + 'a>,
}

impl<'a> Names<'a> {
    pub(super) fn of<M: Machine>(coordinator: &'a Coordinator<M>) -> Self {
        Self { directory: coordinator.directory(), node: Box::new(|member| coordinator.node(member)) }
    }

    /// The number where no name is known.
    fn get(&self, member: MemberNumber) -> String {
        let known = self.directory.member(member).map(|row| row.name.clone());
        let known = known.or_else(|| (self.node)(member).map(|node| node.name));
        known.filter(|name| !name.is_empty()).unwrap_or_else(|| member.to_string())
    }
}

pub(super) fn group_view(status: &GroupStatus, names: &Names<'_>) -> GroupView {
    let replicas = status.replicas.iter().map(|replica| ReplicaView {
        node: names.get(replica.node),
        matched: replica.matched,
        state: replica.state.into(),
    });
    GroupView {
        job: status.job,
        group_id: status.group.0,
        replica_set_index: status.set_index,
        state: status.state.into(),
        role: status.role.into(),
        leader: status.leader.map(|leader| names.get(leader)),
        term: status.term,
        token: status.token.0,
        last_log: status.last_log,
        committed: status.committed,
        applied: status.applied,
        snapshot: status.snapshot,
        purged: status.purged,
        replicas: replicas.collect(),
    }
}

pub(super) fn raft_health<M: Machine>(coordinator: &Coordinator<M>) -> RaftHealth {
    let (status, counts) = (coordinator.directory_status(), coordinator.counts());
    RaftHealth {
        state: status.role.into(),
        is_leader: status.role == "leader",
        leader: status.leader.map(|leader| Names::of(coordinator).get(leader)),
        term: status.term,
        groups: GroupCounts {
            total: counts.total as u64,
            awake: counts.awake as u64,
            asleep: counts.asleep as u64,
            evicted: counts.evicted as u64,
            leading: counts.leading as u64,
        },
    }
}

pub(super) fn member_view(member: &Member, (directory, basics): (Option<&Directory>, &Basics)) -> MemberView {
    let row = directory.and_then(|directory| directory.member_by_node(member.id));
    let held = row.and_then(|row| Some(u64::from(directory?.held(row.number))));
    MemberView {
        id: member.id.to_string(),
        name: member.meta.name.clone(),
        role: member.meta.role.name().into(),
        datacenter: member.meta.dc.clone(),
        address: member.meta.rpc.clone(),
        state: member.state.name().into(),
        member_state: row.map(|row| row.status.word().into()),
        generation: member.generation.0,
        incarnation: u64::from(member.incarnation),
        since: Some(basics.wall(member.since)),
        rtt_ms: member.rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
        number: row.map(|row| row.number.0),
        groups: held,
    }
}

/// Members of the directory that the failure detector has never seen or has forgotten.
pub(super) fn unseen<'a>(
    directory: &'a Directory,
    seen: &'a [Member],
) -> impl Iterator<Item = MemberView> + 'a {
    let rows = directory.members().filter(|row| !seen.iter().any(|member| member.id == row.node));
    rows.map(|row| MemberView {
        id: row.node.to_string(),
        name: row.name.clone(),
        role: String::new(),
        datacenter: String::new(),
        address: row.rpc.clone(),
        state: "dead".into(),
        member_state: Some(row.status.word().into()),
        generation: row.generation.0,
        incarnation: 0,
        since: None,
        rtt_ms: None,
        number: Some(row.number.0),
        groups: Some(u64::from(directory.held(row.number))),
    })
}

//! Who may talk to this node: the rules of a tier's cluster for every handshake.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use muster_link::Gatekeeper;
use muster_runtime::{CancellationToken, TaskKind, TaskScope};
use muster_wire::hello::{Hello, HelloRefusal, PROTOCOL};
use muster_wire::rpc::cluster::FoundingMember;
use muster_wire::{ClusterId, Generation, MemberNumber, Role};
use tokio::sync::Notify;

use crate::directory::Directory;
use crate::identity::{Identity, SEEN_MAX};

/// Generations are written so much after they were seen: one fsync for many.
const WRITE_AFTER: Duration = Duration::from_secs(1);
const KEEP: TaskKind = TaskKind::new("generation_keeper");
const WRITE: TaskKind = TaskKind::new("identity_writer");

/// Refuses other installations, other clusters of this tier, taken member numbers and old generations.
pub struct ClusterGatekeeper {
    ours: Hello,
    identity: Identity,
    known: Mutex<Known>,
    changed: Notify,
}

#[derive(Default)]
struct Known {
    members: BTreeMap<MemberNumber, FoundingMember>,
    seen: BTreeMap<MemberNumber, Generation>,
}

impl ClusterGatekeeper {
    /// Knows what the identity knows; `ours` is this node's hello (its cluster and number are read from the identity).
    pub fn new(identity: &Identity, ours: Hello) -> Arc<Self> {
        let keeper = Self {
            ours,
            identity: identity.clone(),
            known: Mutex::new(Known { members: BTreeMap::new(), seen: identity.seen() }),
            changed: Notify::new(),
        };
        keeper.know(identity.members());
        Arc::new(keeper)
    }

    /// Learns whose the numbers are.
    pub fn know(&self, members: impl IntoIterator<Item = FoundingMember>) {
        let mut known = self.lock();
        known.members.extend(members.into_iter().map(|member| (member.number, member)));
    }

    /// Learns numbers and generations from the directory; to be called when its members change.
    pub fn know_directory(&self, directory: &Directory) {
        self.know(directory.members().map(|row| FoundingMember {
            number: row.number,
            name: row.name.clone(),
            node: row.node,
        }));
        let mut known = self.lock();
        for row in directory.members() {
            known.see(row.number, row.generation);
        }
        self.changed.notify_one();
    }

    /// Writes the generations seen from time to time, and a last time when the scope stops.
    pub fn keep_generations(self: &Arc<Self>, scope: &TaskScope) {
        let (keeper, of) = (self.clone(), scope.clone());
        scope.spawn(KEEP, move |stop| keeper.keep(of, stop));
    }

    async fn keep(self: Arc<Self>, scope: TaskScope, stop: CancellationToken) {
        while stop.run_until_cancelled(self.changed.notified()).await.is_some() {
            stop.run_until_cancelled(tokio::time::sleep(WRITE_AFTER)).await;
            self.write(&scope).await;
        }
        self.write(&scope).await;
    }

    async fn write(&self, scope: &TaskScope) {
        let (identity, seen) = (self.identity.clone(), self.lock().seen.clone());
        let written = scope.spawn_blocking(WRITE, move || identity.saw_generations(&seen)).await;
        if let Some(Err(error)) = written {
            tracing::error!(%error, "the generations seen were not written");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_installation(&self, theirs: &Hello) -> Result<(), HelloRefusal> {
        if theirs.protocol.abs_diff(PROTOCOL) > 1 {
            return Err(HelloRefusal::Protocol { here: PROTOCOL, theirs: theirs.protocol });
        }
        let (here, theirs) = (self.ours.cluster_name.clone(), theirs.cluster_name.clone());
        match here == theirs {
            true => Ok(()),
            false => Err(HelloRefusal::ClusterName { here, theirs }),
        }
    }

    /// Would this peer belong to the cluster of this node? Gates are one cluster wherever they stand.
    fn is_of_this_tier(&self, theirs: &Hello) -> bool {
        let same_place = theirs.role == Role::Gate || theirs.datacenter == self.ours.datacenter;
        theirs.role == self.ours.role && theirs.role != Role::Worker && same_place
    }

    fn check_member(&self, theirs: &Hello) -> Result<(), HelloRefusal> {
        let Some((here, cluster)) = self.cluster().zip(theirs.cluster) else { return Ok(()) };
        if here != cluster {
            return Err(HelloRefusal::Cluster { here, theirs: cluster });
        }
        match theirs.member {
            MemberNumber(0) => Ok(()),
            _ => self.check_number(theirs),
        }
    }

    fn cluster(&self) -> Option<ClusterId> {
        self.identity.membership().map(|(cluster, _)| cluster)
    }

    fn check_number(&self, theirs: &Hello) -> Result<(), HelloRefusal> {
        let mut known = self.lock();
        known.check_owner(theirs)?;
        known.check_generation(theirs)?;
        if known.see(theirs.member, theirs.generation) {
            self.changed.notify_one();
        }
        Ok(())
    }
}

impl Gatekeeper for ClusterGatekeeper {
    fn check(&self, theirs: &Hello) -> Result<(), HelloRefusal> {
        self.check_installation(theirs)?;
        match self.is_of_this_tier(theirs) {
            true => self.check_member(theirs),
            false => Ok(()),
        }
    }
}

impl Known {
    fn check_owner(&self, theirs: &Hello) -> Result<(), HelloRefusal> {
        match self.members.get(&theirs.member).filter(|owner| owner.node != theirs.node) {
            Some(FoundingMember { number, name, node }) => {
                Err(HelloRefusal::MemberTaken { member: *number, owner: *node, name: name.clone() })
            }
            None => Ok(()),
        }
    }

    fn check_generation(&self, theirs: &Hello) -> Result<(), HelloRefusal> {
        match self.seen.get(&theirs.member).filter(|seen| **seen > theirs.generation) {
            Some(seen) => Err(HelloRefusal::Generation { theirs: theirs.generation, seen: *seen }),
            None => Ok(()),
        }
    }

    /// True if it is news. Members beyond the bound are not kept.
    fn see(&mut self, member: MemberNumber, generation: Generation) -> bool {
        let is_new = !self.seen.contains_key(&member);
        if is_new && self.seen.len() >= SEEN_MAX {
            return false;
        }
        let known = self.seen.entry(member).or_default();
        let rises = generation > *known;
        *known = generation.max(*known);
        rises
    }
}

#[cfg(test)]
#[path = "gatekeeper_test.rs"]
mod gatekeeper_test;

//! `member_join`: gives a node its number, once; a later one of the same node tells its new generation and addresses.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::{Generation, MemberNumber, NodeId};
use serde::{Deserialize, Serialize};

use super::super::{Directory, MemberRow, MemberStatus};
use super::bounds::MEMBERS_MAX;

/// A node joins, or an initial member is entered by the founder.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemberJoin {
    /// The node.
    pub node: NodeId,
    /// Its configured name.
    pub name: String,
    /// Its process start.
    pub generation: Generation,
    /// `host:port` of its rpc listener.
    pub rpc: String,
    /// `host:port` of its SWIM socket.
    pub swim: String,
    /// How many groups it can hold.
    pub groups_max: u32,
    /// Highest feature version that it understands.
    pub feature: u16,
    /// The founding only: the number by position in the list. Such a member is active at once.
    pub founding: Option<MemberNumber>,
    /// A voter of the directory group at once; the founding only.
    pub voter: bool,
}

/// The member's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Joined {
    /// Never reused.
    pub member: MemberNumber,
}

impl Apply<Directory> for MemberJoin {
    fn apply(self, directory: &mut Directory, stamp: Stamp) -> Outcome {
        match directory.member_by_node(self.node).cloned() {
            Some(row) => self.rejoin(directory, row),
            None => self.enter(directory, stamp),
        }
    }
}

impl MemberJoin {
    fn rejoin(self, directory: &mut Directory, known: MemberRow) -> Outcome {
        if let Err(reason) = self.may_rejoin(directory, &known) {
            return reason.into();
        }
        let joined = Joined { member: known.number };
        let row = self.refreshed(known.clone());
        if row == known {
            return Outcome::noop(&joined);
        }
        directory.put_member(row);
        Outcome::applied(&joined)
    }

    fn may_rejoin(&self, directory: &Directory, known: &MemberRow) -> Result<(), Reason> {
        if !known.is_present() {
            return Err(Reason::not_allowed(removed_text(known)));
        }
        if self.name != known.name {
            return Err(Reason::not_allowed(format!("member {} is named `{}`", known.number, known.name)));
        }
        match self.generation < known.generation {
            true => Err(Reason::Stale),
            false => directory.keeps_name(known),
        }
    }

    /// A new generation is alive until it is told dead itself.
    fn refreshed(self, known: MemberRow) -> MemberRow {
        let dead_since_ms = known.dead_since_ms.filter(|_| self.generation == known.generation);
        MemberRow {
            generation: self.generation,
            rpc: self.rpc,
            swim: self.swim,
            groups_max: self.groups_max,
            feature: self.feature,
            dead_since_ms,
            ..known
        }
    }

    fn enter(self, directory: &mut Directory, stamp: Stamp) -> Outcome {
        let number = directory.last_member.next();
        if let Err(reason) = self.may_enter(directory, number) {
            return reason.into();
        }
        directory.put_member(self.into_row(number, stamp.at_ms));
        Outcome::applied(&Joined { member: number })
    }

    fn may_enter(&self, directory: &Directory, number: MemberNumber) -> Result<(), Reason> {
        if self.founding.is_some_and(|founding| founding != number) {
            return Err(Reason::Conflict { version: u64::from(directory.last_member.0) });
        }
        let present = directory.members().filter(|row| row.is_present()).count();
        if present >= MEMBERS_MAX {
            return Err(Reason::LimitReached { what: "members".into() });
        }
        self.name_is_free(directory)
    }

    /// Why a replica that holds this directory can say no at once, without asking for a quorum: the name is another
    /// node's.
    pub fn refusal(&self, directory: &Directory) -> Option<Reason> {
        let stranger = directory.member_by_node(self.node).is_none();
        self.name_is_free(directory).err().filter(|_| stranger)
    }

    /// A name goes to another node only when its owner was removed or is held dead.
    fn name_is_free(&self, directory: &Directory) -> Result<(), Reason> {
        match directory.member_by_name(&self.name).filter(|owner| owner.dead_since_ms.is_none()) {
            Some(owner) => Err(Reason::not_allowed(taken_text(owner))),
            None => Ok(()),
        }
    }

    fn into_row(self, number: MemberNumber, at_ms: u64) -> MemberRow {
        let founding = self.founding.is_some();
        MemberRow {
            number,
            node: self.node,
            name: self.name,
            generation: self.generation,
            rpc: self.rpc,
            swim: self.swim,
            groups_max: self.groups_max,
            feature: self.feature,
            status: if founding { MemberStatus::Active } else { MemberStatus::Joining },
            voter: founding && self.voter,
            dead_since_ms: None,
            joined_at_ms: at_ms,
        }
    }
}

impl Directory {
    /// A member that was held dead may have lost its name to another node: it does not come back then.
    pub(super) fn keeps_name(&self, known: &MemberRow) -> Result<(), Reason> {
        match self.member_by_name(&known.name).filter(|owner| owner.number != known.number) {
            Some(owner) => Err(Reason::not_allowed(taken_text(owner))),
            None => Ok(()),
        }
    }
}

fn taken_text(owner: &MemberRow) -> String {
    let MemberRow { name, number, node, .. } = owner;
    format!(
        "the name `{name}` belongs to member {number} (node {node}), which was not removed: `muster node \
         remove {name}`"
    )
}

fn removed_text(row: &MemberRow) -> String {
    format!("node {} was removed as member {}: start with an empty data directory", row.node, row.number)
}

#[cfg(test)]
#[path = "member_join_test.rs"]
mod member_join_test;

//! `member_state`: a member's standing, addresses and capacity change.

use muster_machine::{Apply, Outcome, Reason, Stamp, Transitions};
use muster_wire::{Generation, MemberNumber};
use serde::{Deserialize, Serialize};

use super::super::{Directory, MemberRow, MemberStatus};

/// The only moves. Removal is a command of its own.
pub(super) static TRANSITIONS: Transitions<MemberStatus> = Transitions {
    moves: &[
        (MemberStatus::Joining, &[MemberStatus::Active, MemberStatus::Draining]),
        (MemberStatus::Active, &[MemberStatus::Draining]),
        (MemberStatus::Draining, &[MemberStatus::Active]),
    ],
};

/// Changes what is given, leaves the rest. About an older generation: `Stale`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MemberState {
    /// Who.
    pub member: MemberNumber,
    /// The process start that this is about; a newer one clears `dead`.
    pub generation: Generation,
    /// Its standing.
    pub status: Option<MemberStatus>,
    /// Voter or learner of the directory group.
    pub voter: Option<bool>,
    /// Held dead (true), or seen alive again (false).
    pub dead: Option<bool>,
    /// How many groups it can hold.
    pub groups_max: Option<u32>,
    /// Highest feature version that it understands.
    pub feature: Option<u16>,
    /// `host:port` of its rpc listener.
    pub rpc: Option<String>,
    /// `host:port` of its SWIM socket.
    pub swim: Option<String>,
}

impl Apply<Directory> for MemberState {
    fn apply(self, directory: &mut Directory, stamp: Stamp) -> Outcome {
        let Some(known) = directory.member(self.member).cloned() else {
            return Reason::not_allowed(format!("there is no member {}", self.member)).into();
        };
        if let Err(reason) = self.check(&known) {
            return reason.into();
        }
        let row = self.changed(known.clone(), stamp.at_ms);
        if row == known {
            return Outcome::same();
        }
        store(directory, row)
    }
}

/// Only a dead member may stand under a name that another node has taken.
fn store(directory: &mut Directory, row: MemberRow) -> Outcome {
    let allowed = match row.dead_since_ms {
        Some(_) => Ok(()),
        None => directory.keeps_name(&row),
    };
    if let Err(reason) = allowed {
        return reason.into();
    }
    directory.put_member(row);
    Outcome::done()
}

impl MemberState {
    fn check(&self, known: &MemberRow) -> Result<(), Reason> {
        if !known.is_present() {
            return Err(Reason::not_allowed(format!("member {} was removed", known.number)));
        }
        if self.generation < known.generation {
            return Err(Reason::Stale);
        }
        self.check_move(known)
    }

    fn check_move(&self, known: &MemberRow) -> Result<(), Reason> {
        let moved = self.status.filter(|status| *status != known.status);
        match moved.filter(|status| !TRANSITIONS.allows(known.status, *status)) {
            Some(status) => Err(Reason::not_allowed(format!("{} to {}", known.status.word(), status.word()))),
            None => Ok(()),
        }
    }

    fn changed(self, known: MemberRow, at_ms: u64) -> MemberRow {
        let dead_since_ms = self.dead_since(&known, at_ms);
        MemberRow {
            generation: self.generation,
            status: self.status.unwrap_or(known.status),
            voter: self.voter.unwrap_or(known.voter),
            groups_max: self.groups_max.unwrap_or(known.groups_max),
            feature: self.feature.unwrap_or(known.feature),
            rpc: self.rpc.unwrap_or(known.rpc),
            swim: self.swim.unwrap_or(known.swim),
            dead_since_ms,
            ..known
        }
    }

    /// The first report of a death counts; a new generation was not told dead yet.
    fn dead_since(&self, known: &MemberRow, at_ms: u64) -> Option<u64> {
        let kept = known.dead_since_ms.filter(|_| self.generation == known.generation);
        match self.dead {
            Some(true) => kept.or(Some(at_ms)),
            Some(false) => None,
            None => kept,
        }
    }
}

#[cfg(test)]
#[path = "member_state_test.rs"]
mod member_state_test;

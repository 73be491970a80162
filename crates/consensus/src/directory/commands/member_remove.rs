//! `member_remove`: a member is gone for good; its name is free, its number is not.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::MemberNumber;
use serde::{Deserialize, Serialize};

use super::super::{Directory, MemberRow, MemberStatus};

/// Removes a member that was drained, or that is dead. Its replicas are replaced as others have room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemberRemove {
    /// Who.
    pub member: MemberNumber,
}

impl Apply<Directory> for MemberRemove {
    fn apply(self, directory: &mut Directory, _: Stamp) -> Outcome {
        let Some(known) = directory.member(self.member).cloned() else {
            return Reason::not_allowed(format!("there is no member {}", self.member)).into();
        };
        if !known.is_present() {
            return Outcome::same();
        }
        if is_last_voter(directory, &known) {
            return Reason::not_allowed("it is the last voter of the directory").into();
        }
        directory.put_member(MemberRow { status: MemberStatus::Removed, voter: false, ..known });
        Outcome::done()
    }
}

fn is_last_voter(directory: &Directory, known: &MemberRow) -> bool {
    let mut others = directory.members().filter(|row| row.voter && row.number != known.number);
    known.voter && others.next().is_none()
}

#[cfg(test)]
#[path = "member_remove_test.rs"]
mod member_remove_test;

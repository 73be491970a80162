//! Who holds a new group: the proposer, then a rendezvous hash over the active members, weighted by load. Integers
//! only, so that every replica chooses the same.

use muster_wire::{GroupId, MemberNumber};

use super::{Directory, MemberRow};

/// What a placement is asked for.
pub(super) struct Wanted<'a> {
    pub(super) group: GroupId,
    pub(super) proposer: MemberNumber,
    pub(super) avoid: &'a [MemberNumber],
    pub(super) replication: u32,
}

/// The replicas in rank order; `None` when too few members have room.
pub(super) fn place(directory: &Directory, wanted: &Wanted<'_>) -> Option<Vec<MemberNumber>> {
    let count = set_size(wanted.replication, directory.active().count());
    let mut open: Vec<&MemberRow> = directory.active().filter(|row| has_room(directory, row)).collect();
    open.sort_by_cached_key(|row| {
        let number = row.number;
        let score = score(directory, wanted.group, row);
        (number != wanted.proposer, is_avoided(wanted, row), std::cmp::Reverse(score), number)
    });
    open.truncate(count);
    let chosen: Vec<MemberNumber> = open.iter().map(|row| row.number).collect();
    (chosen.len() == count && count > 0).then_some(chosen)
}

/// `min(replication, largest odd ≤ active members)`, itself odd, at least 1 while there is a member.
fn set_size(replication: u32, active: usize) -> usize {
    let most = active.min(replication.max(1) as usize);
    most.saturating_sub(usize::from(most.is_multiple_of(2)))
}

/// Can the member hold one more group?
pub(super) fn has_room(directory: &Directory, row: &MemberRow) -> bool {
    directory.held(row.number) < row.groups_max
}

fn is_avoided(wanted: &Wanted<'_>, row: &MemberRow) -> bool {
    let told = wanted.avoid.contains(&row.number) && row.number != wanted.proposer;
    told || row.dead_since_ms.is_some()
}

/// A hash of (group, member), scaled by the member's size over what it holds.
fn score(directory: &Directory, group: GroupId, row: &MemberRow) -> u128 {
    let hash = u128::from(mix(mix(group.0) ^ u64::from(row.number.0)));
    hash * u128::from(row.groups_max) / (u128::from(directory.held(row.number)) + 1)
}

/// SplitMix64's finalizer: part of the feature version, never to be changed under it.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
#[path = "placement_test.rs"]
mod placement_test;

//! The list of initial members: its digest, its faults, and how two of them differ.

use std::collections::BTreeSet;

use muster_wire::job::Digest;
use muster_wire::rpc::cluster::ListedMember;
use sha2::{Digest as _, Sha256};

/// SHA-256 over names and addresses in order: equal only for equal lists.
pub fn list_digest(list: &[ListedMember]) -> Digest {
    let mut hash = Sha256::new();
    for text in list.iter().flat_map(|member| [&member.name, &member.rpc, &member.swim]) {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    Digest(hash.finalize().into())
}

/// The first difference of two lists, in a sentence.
pub fn list_difference(ours: &[ListedMember], theirs: &[ListedMember]) -> String {
    let longest = ours.len().max(theirs.len());
    let differing = (0..longest).find(|at| ours.get(*at) != theirs.get(*at));
    differing.map_or_else(String::new, |at| {
        let (here, there) = (shown(ours.get(at)), shown(theirs.get(at)));
        format!("number {} is {here} here and {there} there", at + 1)
    })
}

fn shown(member: Option<&ListedMember>) -> String {
    member.map_or_else(
        || "nobody".into(),
        |ListedMember { name, rpc, swim }| format!("`{name}` (rpc {rpc}, swim {swim})"),
    )
}

/// What forbids a list, if anything.
pub(super) fn list_fault(list: &[ListedMember]) -> Option<String> {
    let names: BTreeSet<&str> = list.iter().map(|member| member.name.as_str()).collect();
    let addresses: BTreeSet<&str> = list.iter().map(|member| member.rpc.as_str()).collect();
    match (names.len() == list.len(), addresses.len() == list.len()) {
        (true, true) => None,
        (false, _) => Some("a name stands in it twice".into()),
        (true, false) => Some("an rpc address stands in it twice".into()),
    }
}

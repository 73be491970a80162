//! The decision: views in, decision out. No clock, no network, no files.

use muster_wire::rpc::cluster::{FoundingMember, FoundingState, FoundingView, ListedMember};
use muster_wire::{ClusterId, MemberNumber, NodeId};

use super::FoundingError;
use super::list::{list_difference, list_digest};
use crate::identity::FoundingPromise;

/// What this node knows of itself.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) name: String,
    pub(super) node: NodeId,
    pub(super) list: Vec<ListedMember>,
    pub(super) promise: Option<FoundingPromise>,
}

/// What was learned of one other address; `view` is `None` when it did not answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The listed name, or the address of one that is only an address to join by.
    pub(super) name: String,
    pub(super) view: Option<FoundingView>,
}

/// What is to be done next.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Decision {
    /// Ask again.
    Wait(Vec<String>),
    /// Ask again; an operator must do something.
    Blocked(String),
    /// Make it durable, then ask again.
    Promise(FoundingPromise),
    /// Make the cluster id, durably.
    Found(Vec<FoundingMember>),
    /// Durably belong to the cluster that lists this node.
    Adopt(ClusterId, MemberNumber, Vec<FoundingMember>),
    /// Ask for a number.
    Join(ClusterId),
}

/// A cluster that exists goes before all else; a new one needs everybody.
pub(super) fn decide(me: &Standing, answers: &[Answer]) -> Result<Decision, FoundingError> {
    if let Some(decision) = existing(me, answers)? {
        return Ok(decision);
    }
    match me.number() {
        Some(number) => towards_founding(me, number, answers),
        None => Ok(Decision::Wait(names(answers))),
    }
}

fn towards_founding(
    me: &Standing,
    number: MemberNumber,
    answers: &[Answer],
) -> Result<Decision, FoundingError> {
    check_lists(me, answers)?;
    if let Some(why) = answers.iter().find_map(taken) {
        return Ok(Decision::Blocked(why));
    }
    match silent(answers) {
        waiting if waiting.is_empty() => proceed(me, number, answers),
        waiting => Ok(Decision::Wait(waiting)),
    }
}

impl Standing {
    /// Its number by position in the list.
    pub(super) fn number(&self) -> Option<MemberNumber> {
        number_of(&self.list, &self.name)
    }
}

/// A name's number by position in a list, from 1.
pub(super) fn number_of(list: &[ListedMember], name: &str) -> Option<MemberNumber> {
    list.iter().position(|member| member.name == name).map(|at| MemberNumber(at as u32 + 1))
}

fn existing(me: &Standing, answers: &[Answer]) -> Result<Option<Decision>, FoundingError> {
    let clusters: Vec<_> = answers.iter().filter_map(cluster_of).collect();
    let Some((first, _)) = clusters.first().copied() else { return Ok(None) };
    if let Some((other, _)) = clusters.iter().find(|(cluster, _)| *cluster != first) {
        return Err(FoundingError::TwoClusters { one: first, other: *other });
    }
    let mine =
        clusters.iter().find_map(|(_, members)| listed_as(me, members).map(|number| (number, members)));
    let decision = match mine {
        Some((number, members)) => Decision::Adopt(first, number, members.to_vec()),
        None => Decision::Join(first),
    };
    Ok(Some(decision))
}

fn cluster_of(answer: &Answer) -> Option<(ClusterId, &[FoundingMember])> {
    match &answer.view.as_ref()?.state {
        FoundingState::Exists { cluster, members } => Some((*cluster, members)),
        FoundingState::Blank | FoundingState::Promised { .. } | FoundingState::Taken { .. } => None,
    }
}

fn listed_as(me: &Standing, members: &[FoundingMember]) -> Option<MemberNumber> {
    members.iter().find(|member| member.node == me.node && member.name == me.name).map(|member| member.number)
}

fn silent(answers: &[Answer]) -> Vec<String> {
    answers.iter().filter(|answer| answer.view.is_none()).map(|answer| answer.name.clone()).collect()
}

/// A node that is not in the list needs a cluster: it waits for anybody that has one.
fn names(answers: &[Answer]) -> Vec<String> {
    answers.iter().map(|answer| answer.name.clone()).collect()
}

fn check_lists(me: &Standing, answers: &[Answer]) -> Result<(), FoundingError> {
    let digest = list_digest(&me.list);
    if me.promise.as_ref().is_some_and(|promise| promise.list != digest) {
        return Err(FoundingError::PromisedElsewhere);
    }
    answers.iter().filter_map(|answer| answer.view.as_ref().map(|view| (answer, view))).try_for_each(
        |(answer, view)| {
            check_name(answer, view)?;
            check_list(me, view)
        },
    )
}

fn check_name(answer: &Answer, view: &FoundingView) -> Result<(), FoundingError> {
    match answer.name == view.name {
        true => Ok(()),
        false => Err(FoundingError::WrongNode { listed: answer.name.clone(), answers: view.name.clone() }),
    }
}

fn check_list(me: &Standing, view: &FoundingView) -> Result<(), FoundingError> {
    match me.list == view.list {
        true => Ok(()),
        false => {
            let difference = list_difference(&me.list, &view.list);
            Err(FoundingError::ListsDiffer { with: view.name.clone(), difference })
        }
    }
}

fn taken(answer: &Answer) -> Option<String> {
    match &answer.view.as_ref()?.state {
        FoundingState::Taken { owner } => Some(taken_text(owner, &answer.name)),
        FoundingState::Blank | FoundingState::Promised { .. } | FoundingState::Exists { .. } => None,
    }
}

fn taken_text(owner: &FoundingMember, by: &str) -> String {
    let FoundingMember { number, name, node } = owner;
    format!(
        "`{by}` says: number {number} belongs to node {node}; if that one is gone for good, `muster node remove \
         {name}`, or, if no cluster was founded yet, empty the data directories of all initial members"
    )
}

/// Everybody answered, with the same list, and nobody has a cluster.
fn proceed(me: &Standing, number: MemberNumber, answers: &[Answer]) -> Result<Decision, FoundingError> {
    let members = members_of(me, answers);
    let Some(promise) = &me.promise else {
        return Ok(Decision::Promise(FoundingPromise { list: list_digest(&me.list), number, members }));
    };
    if let Some(changed) = members.iter().find(|member| !promise.members.contains(member)) {
        return Ok(Decision::Blocked(changed_text(changed)));
    }
    Ok(founder_step(number, members, answers))
}

/// Number 1 founds when every other has promised the same; the others wait for it.
fn founder_step(number: MemberNumber, members: Vec<FoundingMember>, answers: &[Answer]) -> Decision {
    let missing: Vec<String> = answers
        .iter()
        .filter(|answer| !has_promised(answer, &members))
        .map(|answer| answer.name.clone())
        .collect();
    match (number == MemberNumber(1), missing.is_empty()) {
        (true, true) => Decision::Found(members),
        (true, false) => Decision::Wait(missing),
        (false, _) => Decision::Wait(members.first().map(|first| first.name.clone()).into_iter().collect()),
    }
}

fn has_promised(answer: &Answer, members: &[FoundingMember]) -> bool {
    let state = answer.view.as_ref().map(|view| &view.state);
    matches!(state, Some(FoundingState::Promised { members: theirs }) if theirs == members)
}

/// Every initial member with the node id that it has now, by number.
fn members_of(me: &Standing, answers: &[Answer]) -> Vec<FoundingMember> {
    let node_of = |name: &str| match name == me.name {
        true => Some(me.node),
        false => answers
            .iter()
            .filter_map(|answer| answer.view.as_ref())
            .find(|view| view.name == name)
            .map(|v| v.node),
    };
    let numbered = me.list.iter().zip(1..);
    numbered
        .filter_map(|(listed, number)| {
            let name = listed.name.clone();
            node_of(&listed.name).map(|node| FoundingMember { number: MemberNumber(number), name, node })
        })
        .collect()
}

fn changed_text(changed: &FoundingMember) -> String {
    let FoundingMember { number, name, node } = changed;
    format!(
        "number {number} (`{name}`) was promised by another node than {node}, which answers now: restore its data \
         directory, or empty the data directories of all initial members"
    )
}

#[cfg(test)]
#[path = "core_test.rs"]
mod core_test;

//! Draining as a level: while the directory says that this node drains, leaderships are handed over and its replicas
//! are replaced; it is done when none is left.

use std::time::Duration;

use futures_util::StreamExt as _;
use muster_consensus::MemberRow;
use muster_consensus::directory::MemberStatus;
use muster_machine::Machine;
use muster_runtime::TaskKind;
use muster_wire::api::DrainView;
use muster_wire::{JobId, MemberNumber};

use super::Operator;

const DRAIN: TaskKind = TaskKind::new("drain");
const LOOK: Duration = Duration::from_secs(1);
/// Leaderships handed over at the same time.
const AT_ONCE: usize = 16;
/// For one of them.
const ONE_TIMEOUT: Duration = Duration::from_secs(1);

/// Looks once a second.
pub(super) fn start<M: Machine>(operator: &Operator<M>) {
    let operator = operator.clone();
    operator.scope.clone().spawn_until_stop(DRAIN, async move {
        loop {
            step(&operator).await;
            tokio::time::sleep(LOOK).await;
        }
    });
}

async fn step<M: Machine>(operator: &Operator<M>) {
    let word = own_word(operator);
    operator.additions.set_draining(word);
    if word == "running" {
        let led: Vec<JobId> = operator.coordinator.led().borrow().keys().copied().collect();
        futures_util::stream::iter(led).for_each_concurrent(AT_ONCE, |job| hand_over(operator, job)).await;
    }
}

/// How a member's draining stands.
pub(super) fn view<M: Machine>(operator: &Operator<M>, name: &str) -> DrainView {
    let directory = operator.coordinator.directory();
    let row = directory.member_by_name(name);
    let groups = row.map_or(0, |row| directory.held(row.number));
    let draining = row.map_or("no", |row| word(row, groups)).to_owned();
    DrainView { node: name.to_owned(), draining, groups: u64::from(groups) }
}

fn own_word<M: Machine>(operator: &Operator<M>) -> &'static str {
    let directory = operator.coordinator.directory();
    operator.own_row().map_or("no", |row| word(&row, directory.held(row.number)))
}

fn word(row: &MemberRow, groups: u32) -> &'static str {
    match (row.status == MemberStatus::Draining, groups) {
        (false, _) => "no",
        (true, 0) => "done",
        (true, _) => "running",
    }
}

/// To any replica on a member that is active and not held dead.
async fn hand_over<M: Machine>(operator: &Operator<M>, job: JobId) {
    if let Some(successor) = successor(operator, job) {
        let _ = operator.coordinator.hand_over(job, successor, ONE_TIMEOUT).await;
    }
}

fn successor<M: Machine>(operator: &Operator<M>, job: JobId) -> Option<MemberNumber> {
    let directory = operator.coordinator.directory();
    let fit = |number: &MemberNumber| {
        let row = directory.member(*number);
        row.is_some_and(|row| row.status == MemberStatus::Active && row.dead_since_ms.is_none())
    };
    let mut replicas = operator.coordinator.replicas(job).into_iter().map(|node| node.member);
    replicas.find(fit)
}

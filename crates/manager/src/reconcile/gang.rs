//! A gang starts together or not at all: one no releases every reservation.

use std::time::Duration;

use muster_runtime::random;
use muster_wire::job::AttemptKey;
use muster_wire::{NodeRef, Shard, WorkflowIx};

use super::Job;
use super::dispatch::{Round, commit_held, idle_places, next_attempt, workflow_places};
use super::reserve::{Wish, ask_all, assign, release_all};
use crate::machine::JobRecord;
use crate::placing::Place;
use crate::shared::Shared;

/// The pause after a no, so that two gangs do not take each other's cores again and again.
const PAUSE_MS: (u64, u64) = (200, 1_000);

/// Places the whole gang, or nothing of it.
pub(super) async fn place(shared: &Shared, job: &Job, (ix, shards): (WorkflowIx, &[Shard])) -> Round {
    let Some(record) = job.view.state.record() else { return Round::Placed };
    if !is_whole(record, ix, shards) {
        return Round::Full;
    }
    let wish = Wish::new(record, ix);
    let keys: Vec<AttemptKey> = shards.iter().map(|shard| next_attempt(record, ix, *shard)).collect();
    let mut places = workflow_places(shared, record, ix);
    let Some(asked) = whole(shared, record, (&wish, &keys, &mut places)) else { return Round::Full };
    let (held, refused) = ask_all(shared, job, (&wish, asked, &mut places)).await;
    match refused.is_empty() {
        true => commit_held(shared, job, (&wish, &held)).await,
        false => give_back(shared, job, &held).await,
    }
}

/// Places for all. Where too few cores are believed to be free, the workers are asked nevertheless if they could hold the
/// gang when idle: their refusal keeps worse ranks away, and smaller jobs do not starve it.
fn whole(
    shared: &Shared,
    record: &JobRecord,
    (wish, keys, places): (&Wish, &[AttemptKey], &mut Vec<Place>),
) -> Option<Vec<(AttemptKey, NodeRef)>> {
    let asked = assign(keys, wish, places);
    if asked.len() == keys.len() {
        return Some(asked);
    }
    *places = idle_places(shared, record, keys.first()?.workflow);
    Some(assign(keys, wish, places)).filter(|asked| asked.len() == keys.len())
}

/// Are all its waiting shards due? A retry of one waits for the others that wait.
fn is_whole(record: &JobRecord, ix: WorkflowIx, shards: &[Shard]) -> bool {
    let waiting = record.workflow(ix).map(|workflow| workflow.waiting());
    waiting == Some(shards.len())
}

async fn give_back(shared: &Shared, job: &Job, held: &[(AttemptKey, NodeRef)]) -> Round {
    release_all(shared, job, held).await;
    let spread = random::below(PAUSE_MS.1 - PAUSE_MS.0);
    Round::Retry(Duration::from_millis(PAUSE_MS.0 + spread))
}

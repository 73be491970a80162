//! Reservations at workers: asked for first, given back when they are not used.

use std::collections::BTreeMap;

use muster_link::CallError;
use muster_wire::NodeRef;
use muster_wire::job::AttemptKey;
use muster_wire::rpc::worker::{Rank, ReleaseReservation, Reservation, Reserve};
use muster_wire::{JobId, NodeId, Shard, WorkflowIx};

use super::Job;
use super::calls::in_waves;
use crate::machine::{JobRecord, Workflow};
use crate::placing::{Place, correct, take};
use crate::shared::{RESERVE_WITHIN, Shared};

/// Other workers that are asked after a refusal.
const OTHERS_MAX: usize = 3;
/// The most urgent priority.
const PRIORITY_MAX: u8 = 100;

/// What every shard of a workflow wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wish {
    pub(super) cores: u32,
    gang: bool,
    rank: Rank,
    /// Where the last attempt of a shard did not succeed.
    avoid: BTreeMap<Shard, NodeId>,
}

impl Wish {
    pub(super) fn new(record: &JobRecord, ix: WorkflowIx) -> Self {
        let spec = record.spec().workflow(ix);
        Self {
            cores: spec.map_or(1, |workflow| workflow.cores),
            gang: spec.is_some_and(|workflow| workflow.gang),
            rank: rank(record, record.job()),
            avoid: record.workflow(ix).map(|workflow| avoid(record, workflow)).unwrap_or_default(),
        }
    }
}

/// Of shards that wait for another attempt, the worker of the last one.
fn avoid(record: &JobRecord, workflow: &Workflow) -> BTreeMap<Shard, NodeId> {
    let again = workflow.retries().filter_map(|(_, shard)| {
        let row = workflow.shard(shard)?;
        Some((shard, record.worker_of(&row)?.id))
    });
    again.collect()
}

fn rank(record: &JobRecord, job: JobId) -> Rank {
    let inverse_priority = PRIORITY_MAX.saturating_sub(record.spec().priority);
    Rank { inverse_priority, created_at_ms: record.times_ms().0, job }
}

type Held = (AttemptKey, NodeRef);

/// Asks for each attempt by itself; a worker that refuses is replaced by another a few times. Answers what is held.
pub(super) async fn reserve_each(
    shared: &Shared,
    job: &Job,
    (wish, keys, places): (&Wish, &[AttemptKey], &mut Vec<Place>),
) -> Vec<Held> {
    let mut held = Vec::new();
    let mut left = keys.to_vec();
    for _ in 0..=OTHERS_MAX {
        let asked = assign(&left, wish, places);
        let unasked = left.split_off(asked.len());
        let (taken, refused) = ask_all(shared, job, (wish, asked, places)).await;
        held.extend(taken);
        left = refused.into_iter().map(|(key, _)| key).chain(unasked).collect();
        if left.is_empty() {
            break;
        }
    }
    held
}

/// What is held, and what is not.
pub(super) async fn ask_all(
    shared: &Shared,
    job: &Job,
    (wish, asked, places): (&Wish, Vec<Held>, &mut Vec<Place>),
) -> (Vec<Held>, Vec<Held>) {
    let answers =
        in_waves(asked.iter().map(|(key, node)| reserve(shared, job, (wish, *key, node))).collect()).await;
    let answered = asked.into_iter().zip(answers);
    let (taken, refused): (Vec<_>, Vec<_>) =
        answered.partition(|((_, node), answer)| note_answer(shared, places, (node, answer)));
    let held = |all: Vec<(Held, _)>| all.into_iter().map(|(held, _)| held).collect();
    (held(taken), held(refused))
}

/// The first of these attempts with a place each, as far as there is room.
pub(super) fn assign(keys: &[AttemptKey], wish: &Wish, places: &mut [Place]) -> Vec<(AttemptKey, NodeRef)> {
    let place = |key: &AttemptKey| {
        let avoid = wish.avoid.get(&key.shard).copied();
        take(places, wish.cores, avoid).map(|node| (*key, node))
    };
    keys.iter().map_while(place).collect()
}

/// Is it held? A worker that said no, or nothing, is taken out of the round as far as it is full.
fn note_answer(
    shared: &Shared,
    places: &mut [Place],
    (node, answer): (&NodeRef, &Result<Reservation, CallError>),
) -> bool {
    if is_held(node, answer) {
        return true;
    }
    let free = told_free(answer);
    shared.load.note_told(node.id, (shared.clock.now(), free));
    correct(places, node, free);
    shared.counts.note_refused();
    false
}

fn is_held(node: &NodeRef, answer: &Result<Reservation, CallError>) -> bool {
    matches!(answer, Ok(Reservation::Held { generation, .. }) if *generation == node.generation)
}

const fn told_free(answer: &Result<Reservation, CallError>) -> u32 {
    match answer {
        Ok(Reservation::Full { cores_free }) => *cores_free,
        Ok(_) | Err(_) => 0,
    }
}

async fn reserve(
    shared: &Shared,
    job: &Job,
    (wish, key, node): (&Wish, AttemptKey, &NodeRef),
) -> Result<Reservation, CallError> {
    let (token, cores, rank, gang) = (job.token(), wish.cores, wish.rank, wish.gang);
    let call = Reserve { job: job.job, token, key, cores, rank, gang, manager: Some(job.me.clone()) };
    shared.links.call_node(node, &call, RESERVE_WITHIN).await
}

/// Gives reservations back; one that is not given back ends by itself after some seconds.
pub(super) async fn release_all(shared: &Shared, job: &Job, held: &[(AttemptKey, NodeRef)]) {
    in_waves(held.iter().map(|(key, node)| release(shared, job, (*key, node))).collect()).await;
}

async fn release(shared: &Shared, job: &Job, (key, node): (AttemptKey, &NodeRef)) {
    let call = ReleaseReservation { job: job.job, token: job.token(), key };
    if let Err(error) = shared.links.call_node(node, &call, RESERVE_WITHIN).await {
        tracing::debug!(worker = node.name, %error, "a reservation was not given back, it ends by itself");
    }
}

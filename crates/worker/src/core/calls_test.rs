use std::time::Duration;

use muster_wire::job::{AttemptKey, AttemptState};
use muster_wire::rpc::RpcError;
use muster_wire::rpc::worker::{
    AdoptJob, ForgetJob, Rank, ReleaseReservation, Reservation, Reserve, RunSpec, StartReply, StartShard,
    StopShards,
};
use muster_wire::{
    Attempt, DispatchToken, Generation, JobId, MemberNumber, NodeId, NodeRef, Shard, Token, WorkflowIx,
};

use super::{Core, Effect, Limits, Mode};

pub(super) const GENERATION: Generation = Generation(7);
pub(super) const JOB: JobId = JobId(1);

pub(super) fn limits() -> Limits {
    Limits {
        cores: 4,
        hold: Duration::from_secs(10),
        gang_pause: Duration::from_secs(2),
        orphan_grace: Duration::from_secs(60),
        results_max: 100,
        jobs_max: 3,
        job_keep: Duration::from_secs(3600),
    }
}

pub(super) fn core() -> Core {
    Core::new(limits(), GENERATION)
}

pub(super) fn key(shard: u32, attempt: u32) -> AttemptKey {
    AttemptKey { workflow: WorkflowIx(0), shard: Shard(shard), attempt: Attempt(attempt) }
}

pub(super) fn manager(n: u128) -> NodeRef {
    NodeRef {
        id: NodeId(n),
        generation: Generation(1),
        member: MemberNumber(n as u32),
        name: format!("m{n}"),
        addr: String::new(),
    }
}

pub(super) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) fn reserve(key: AttemptKey, token: u64) -> Reserve {
    let rank = Rank { inverse_priority: 50, created_at_ms: 1, job: JOB };
    Reserve { job: JOB, token: Token(token), key, cores: 1, rank, gang: false, manager: None }
}

pub(super) fn start(key: AttemptKey, token: u64) -> StartShard {
    let run = RunSpec {
        workflow: "w".into(),
        shards: 1,
        cores: 1,
        command: vec!["true".into()],
        env: Default::default(),
        timeout_ms: 1000,
        grace_ms: 100,
        context: Default::default(),
        context_version: 0,
    };
    StartShard {
        job: JOB,
        token: Token(token),
        dispatch: DispatchToken::new(Token(token), 1),
        key,
        generation: GENERATION,
        manager: manager(1),
        run,
    }
}

/// A core with one running attempt under token 1.
pub(super) fn running(key: AttemptKey) -> Core {
    let mut core = core();
    let mut out = Vec::new();
    core.reserve(&reserve(key, 1), secs(0), &mut out).unwrap();
    core.start(start(key, 1), secs(0), &mut out).unwrap();
    core
}

fn is_held(answer: Result<Reservation, RpcError>) -> bool {
    matches!(answer, Ok(Reservation::Held { .. }))
}

fn is_refused(answer: Result<StartReply, RpcError>) -> bool {
    matches!(answer, Ok(StartReply::Refused { .. }))
}

#[test]
fn a_reservation_expires_after_ten_seconds() {
    let mut core = core();
    let mut all = reserve(key(0, 1), 1);
    all.cores = 4;
    assert!(is_held(core.reserve(&all, secs(0), &mut vec![])));
    let other = reserve(key(1, 1), 1);
    assert_eq!(core.reserve(&other, secs(9), &mut vec![]), Ok(Reservation::Full { cores_free: 0 }));
    assert!(is_held(core.reserve(&other, secs(10), &mut vec![])));
    assert!(is_refused(core.start(start(key(0, 1), 1), secs(10), &mut vec![])));
}

#[test]
fn a_refusal_to_start_is_final_even_if_a_reservation_comes_late() {
    let mut core = core();
    assert!(is_refused(core.start(start(key(0, 1), 1), secs(0), &mut vec![])));
    let late = core.reserve(&reserve(key(0, 1), 1), secs(0), &mut vec![]);
    assert!(matches!(late, Err(RpcError::Refused { .. })), "{late:?}");
}

#[test]
fn a_lower_token_is_fenced_by_every_call() {
    let mut core = running(key(0, 1));
    core.adopt(&AdoptJob { job: JOB, token: Token(5), manager: manager(2) }, secs(1), &mut vec![]).unwrap();
    let fenced = RpcError::Fenced { by: Token(5) };
    let out = &mut vec![];
    let job = JOB;
    let token = Token(4);
    assert_eq!(core.reserve(&reserve(key(1, 1), 4), secs(1), out), Err(fenced.clone()));
    assert_eq!(
        core.release(&ReleaseReservation { job, token, key: key(0, 1) }, secs(1), out),
        Err(fenced.clone())
    );
    assert_eq!(core.start(start(key(0, 1), 4), secs(1), out), Err(fenced.clone()));
    let stop = StopShards { job, token, keys: vec![key(0, 1)], grace_ms: None };
    assert_eq!(core.stop(&stop, secs(1), out), Err(fenced.clone()));
    assert_eq!(core.adopt(&AdoptJob { job, token, manager: manager(1) }, secs(1), out), Err(fenced.clone()));
    assert_eq!(core.forget(&ForgetJob { job, token }, secs(1), out), Err(fenced));
    assert_eq!(*out, vec![]);
    assert!(core.is_running(JOB, key(0, 1)));
}

#[test]
fn a_higher_token_takes_over_a_reservation() {
    let mut core = core();
    assert!(is_held(core.reserve(&reserve(key(0, 1), 1), secs(0), &mut vec![])));
    assert!(is_held(core.reserve(&reserve(key(0, 1), 2), secs(5), &mut vec![])));
    assert_eq!(core.counts().cores_held, 1);
    let started = core.start(start(key(0, 1), 2), secs(14), &mut vec![]);
    assert_eq!(started, Ok(StartReply::Started { state: AttemptState::Running }));
}

#[test]
fn a_repeated_start_answers_the_state_and_never_starts_again() {
    let mut core = running(key(0, 1));
    let mut out = Vec::new();
    let again = core.start(start(key(0, 1), 3), secs(1), &mut out);
    assert_eq!(again, Ok(StartReply::Started { state: AttemptState::Running }));
    assert_eq!(out, [Effect::Wake(JOB)]);
    assert_eq!(core.leader(JOB).unwrap().1, Token(3));
    core.ended((JOB, key(0, 1)), AttemptState::Failed, &mut out);
    core.acknowledged(JOB, key(0, 1), secs(2));
    let again = core.start(start(key(0, 1), 3), secs(2), &mut out);
    assert_eq!(again, Ok(StartReply::Started { state: AttemptState::Failed }));
}

#[test]
fn a_lower_attempt_is_refused() {
    let mut core = running(key(0, 2));
    assert!(is_refused(core.start(start(key(0, 1), 1), secs(0), &mut vec![])));
}

#[test]
fn another_generation_is_refused() {
    let mut core = core();
    core.reserve(&reserve(key(0, 1), 1), secs(0), &mut vec![]).unwrap();
    let mut call = start(key(0, 1), 1);
    call.generation = Generation(6);
    assert!(is_refused(core.start(call, secs(0), &mut vec![])));
    assert_eq!(core.cores_free(), 4);
}

#[test]
fn no_more_cores_are_given_than_there_are() {
    let mut core = core();
    for shard in 0..4 {
        assert!(is_held(core.reserve(&reserve(key(shard, 1), 1), secs(0), &mut vec![])));
    }
    core.start(start(key(0, 1), 1), secs(0), &mut vec![]).unwrap();
    assert_eq!(
        core.reserve(&reserve(key(9, 1), 1), secs(0), &mut vec![]),
        Ok(Reservation::Full { cores_free: 0 })
    );
    let release = ReleaseReservation { job: JOB, token: Token(1), key: key(1, 1) };
    core.release(&release, secs(0), &mut vec![]).unwrap();
    assert!(is_held(core.reserve(&reserve(key(9, 1), 1), secs(0), &mut vec![])));
}

#[test]
fn what_owes_results_takes_no_more_than_the_queue_holds() {
    let mut core = Core::new(Limits { results_max: 1, ..limits() }, GENERATION);
    core.reserve(&reserve(key(0, 1), 1), secs(0), &mut vec![]).unwrap();
    core.start(start(key(0, 1), 1), secs(0), &mut vec![]).unwrap();
    core.ended((JOB, key(0, 1)), AttemptState::Succeeded, &mut vec![]);
    let full = core.reserve(&reserve(key(1, 1), 1), secs(0), &mut vec![]);
    assert_eq!(full, Ok(Reservation::Full { cores_free: 4 }));
    core.acknowledged(JOB, key(0, 1), secs(1));
    assert!(is_held(core.reserve(&reserve(key(1, 1), 1), secs(1), &mut vec![])));
}

#[test]
fn a_gang_that_was_refused_is_not_starved_by_worse_ranks() {
    let mut core = running(key(0, 1));
    let mut gang = reserve(key(1, 1), 1);
    (gang.gang, gang.cores) = (true, 4);
    assert_eq!(core.reserve(&gang, secs(0), &mut vec![]), Ok(Reservation::Full { cores_free: 3 }));
    let mut worse = reserve(key(2, 1), 1);
    worse.rank.inverse_priority = 60;
    assert_eq!(core.reserve(&worse, secs(1), &mut vec![]), Ok(Reservation::Full { cores_free: 0 }));
    let mut better = reserve(key(3, 1), 1);
    better.rank.inverse_priority = 40;
    assert!(is_held(core.reserve(&better, secs(1), &mut vec![])));
    assert!(is_held(core.reserve(&worse, secs(2), &mut vec![])));
}

#[test]
fn a_draining_worker_reserves_nothing_and_starts_what_it_promised() {
    let mut core = core();
    core.reserve(&reserve(key(0, 1), 1), secs(0), &mut vec![]).unwrap();
    core.set_mode(Mode::Draining);
    assert_eq!(core.reserve(&reserve(key(1, 1), 1), secs(0), &mut vec![]), Ok(Reservation::Draining));
    let started = core.start(start(key(0, 1), 1), secs(0), &mut vec![]);
    assert_eq!(started, Ok(StartReply::Started { state: AttemptState::Running }));
}

#[test]
fn what_was_stopped_before_it_started_never_starts() {
    let mut core = core();
    core.reserve(&reserve(key(0, 1), 1), secs(0), &mut vec![]).unwrap();
    let stop = StopShards { job: JOB, token: Token(1), keys: vec![key(0, 1), key(5, 3)], grace_ms: Some(10) };
    let mut out = Vec::new();
    let reply = core.stop(&stop, secs(0), &mut out).unwrap();
    assert_eq!((reply.stopped, reply.stopping), (vec![key(0, 1), key(5, 3)], vec![]));
    assert_eq!(out, []);
    assert!(is_refused(core.start(start(key(0, 1), 1), secs(0), &mut out)));
    assert!(matches!(core.reserve(&reserve(key(5, 3), 1), secs(0), &mut out), Err(RpcError::Refused { .. })));
}

#[test]
fn a_stopped_attempt_is_stopping_until_its_processes_are_gone() {
    let mut core = running(key(0, 1));
    let stop = StopShards { job: JOB, token: Token(1), keys: vec![key(0, 1)], grace_ms: Some(10) };
    let mut out = Vec::new();
    assert_eq!(core.stop(&stop, secs(0), &mut out).unwrap().stopping, [key(0, 1)]);
    assert!(matches!(out[..], [Effect::Stop(..)]));
    core.ended((JOB, key(0, 1)), AttemptState::Cancelled, &mut out);
    assert_eq!(core.stop_reply(&stop).stopped, [key(0, 1)]);
}

#[test]
fn a_new_leader_is_told_what_is_held() {
    let mut core = running(key(0, 1));
    core.reserve(&reserve(key(1, 1), 1), secs(0), &mut vec![]).unwrap();
    let adopt = AdoptJob { job: JOB, token: Token(2), manager: manager(2) };
    let held = core.adopt(&adopt, secs(1), &mut vec![]).unwrap();
    assert_eq!(held.attempts, [(key(0, 1), AttemptState::Running), (key(1, 1), AttemptState::Reserved)]);
    assert_eq!(core.leader(JOB), Some((Some(manager(2)), Token(2))));
}

#[test]
fn a_token_far_above_the_known_one_is_refused() {
    let mut core = running(key(0, 1));
    let adopt = AdoptJob { job: JOB, token: Token(1 << 40), manager: manager(2) };
    assert!(matches!(core.adopt(&adopt, secs(1), &mut vec![]), Err(RpcError::Refused { .. })));
}

use muster_wire::job::AttemptState;
use muster_wire::rpc::RpcError;
use muster_wire::rpc::worker::{AdoptJob, ForgetJob, StartReply};
use muster_wire::{JobId, Token};

use super::calls_test::{JOB, core, key, manager, reserve, running, secs, start};
use super::{Core, Effect, Mode, Restored, StopCause, Verdict};

fn stopped(out: &[Effect]) -> Vec<StopCause> {
    let causes = out.iter().filter_map(|effect| match effect {
        Effect::Stop(_, _, stop) => Some(stop.cause),
        _ => None,
    });
    causes.collect()
}

#[test]
fn the_cores_of_an_ended_attempt_are_free_and_its_result_is_owed() {
    let mut core = running(key(0, 1));
    let mut out = Vec::new();
    assert_eq!(core.ended((JOB, key(0, 1)), AttemptState::Succeeded, &mut out), Verdict::Report);
    assert_eq!(out, [Effect::Wake(JOB)]);
    let counts = core.counts();
    assert_eq!((counts.cores_running, counts.open, counts.owed), (0, 0, 1));
    core.acknowledged(JOB, key(0, 1), secs(1));
    core.acknowledged(JOB, key(0, 1), secs(1));
    assert_eq!(core.counts().owed, 0);
}

#[test]
fn orphans_are_stopped_after_the_grace_and_not_before() {
    let mut core = running(key(0, 1));
    let mut out = Vec::new();
    core.reached(JOB, secs(30));
    core.tick(secs(89), &mut out);
    assert_eq!(out, []);
    core.tick(secs(90), &mut out);
    core.tick(secs(91), &mut out);
    assert_eq!(stopped(&out), [StopCause::Orphaned]);
}

#[test]
fn a_new_leader_in_time_keeps_the_attempts_running() {
    let mut core = running(key(0, 1));
    let mut out = Vec::new();
    let adopt = AdoptJob { job: JOB, token: Token(2), manager: manager(2) };
    core.adopt(&adopt, secs(59), &mut out).unwrap();
    core.tick(secs(118), &mut out);
    assert_eq!(stopped(&out), []);
}

#[test]
fn a_forgotten_job_leaves_nothing_behind() {
    let mut core = running(key(0, 1));
    let mut out = Vec::new();
    let forget = ForgetJob { job: JOB, token: Token(1) };
    core.forget(&forget, secs(1), &mut out).unwrap();
    assert_eq!(stopped(&out), [StopCause::Cancelled]);
    out.clear();
    assert_eq!(core.ended((JOB, key(0, 1)), AttemptState::Cancelled, &mut out), Verdict::Drop);
    assert_eq!(out, [Effect::Drop(JOB)]);
    let counts = core.counts();
    assert_eq!((counts.jobs, counts.open, counts.owed, counts.cores_running), (0, 0, 0, 0));
    core.forget(&forget, secs(1), &mut out).unwrap();
}

#[test]
fn forgetting_drops_owed_results() {
    let mut core = running(key(0, 1));
    let mut out = Vec::new();
    core.ended((JOB, key(0, 1)), AttemptState::Succeeded, &mut out);
    core.gone(JOB, &mut out);
    assert_eq!(core.counts().owed, 0);
    assert!(out.contains(&Effect::Drop(JOB)));
}

#[test]
fn the_table_of_jobs_is_bounded_and_idle_jobs_make_room() {
    let mut core = core();
    for id in 1..=4 {
        let mut call = reserve(key(0, 1), 1);
        call.job = JobId(id);
        let answer = core.reserve(&call, secs(id as u64), &mut vec![]);
        assert_eq!(answer.is_ok(), id < 4, "job {id}: {answer:?}");
    }
    let mut out = Vec::new();
    core.tick(secs(11), &mut out);
    let mut call = reserve(key(0, 1), 1);
    call.job = JobId(4);
    assert!(core.reserve(&call, secs(11), &mut out).is_ok());
    assert_eq!(out, [Effect::Drop(JobId(1))]);
}

#[test]
fn an_idle_job_is_dropped_after_its_time() {
    let mut core = running(key(0, 1));
    let mut out = Vec::new();
    core.ended((JOB, key(0, 1)), AttemptState::Succeeded, &mut out);
    core.tick(secs(4000), &mut out);
    assert!(core.knows(JOB), "its result is owed");
    core.acknowledged(JOB, key(0, 1), secs(4001));
    core.tick(secs(7600), &mut out);
    assert!(core.knows(JOB));
    core.tick(secs(7601), &mut out);
    assert!(!core.knows(JOB));
}

#[test]
fn a_restored_attempt_is_owed_and_never_starts_again() {
    let mut core = core();
    let restored = Restored {
        job: JOB,
        token: Token(3),
        manager: Some(manager(1)),
        key: key(0, 2),
        state: AttemptState::Lost,
    };
    core.restore(restored, secs(0));
    assert_eq!(core.counts().owed, 1);
    let answer = core.start(start(key(0, 2), 3), secs(0), &mut vec![]);
    assert_eq!(answer, Ok(StartReply::Started { state: AttemptState::Lost }));
    let lower = core.reserve(&reserve(key(0, 1), 3), secs(0), &mut vec![]);
    assert!(matches!(lower, Err(RpcError::Refused { .. })));
    assert_eq!(
        core.reserve(&reserve(key(0, 3), 2), secs(0), &mut vec![]),
        Err(RpcError::Fenced { by: Token(3) })
    );
}

#[test]
fn a_stopping_worker_stops_everything_and_starts_nothing() {
    let mut core = running(key(0, 1));
    core.reserve(&reserve(key(1, 1), 1), secs(0), &mut vec![]).unwrap();
    let mut out = Vec::new();
    core.stop_all(100, &mut out);
    assert_eq!(stopped(&out), [StopCause::Shutdown]);
    let answer = core.start(start(key(1, 1), 1), secs(0), &mut out);
    assert!(matches!(answer, Ok(StartReply::Refused { .. })));
    core.set_mode(Mode::Open);
    assert_eq!(core.mode(), Mode::Stopping);
}

#[test]
fn a_leader_of_an_older_token_is_old_news() {
    let mut core: Core = running(key(0, 1));
    core.led_by(JOB, manager(2), Some(Token(4)));
    core.led_by(JOB, manager(3), Some(Token(3)));
    assert_eq!(core.leader(JOB), Some((Some(manager(2)), Token(4))));
    core.led_by(JOB, manager(5), None);
    assert_eq!(core.leader(JOB), Some((Some(manager(5)), Token(4))));
    assert_eq!(core.counts().jobs, 1);
}

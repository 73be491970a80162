use super::*;

fn policy() -> Policy {
    Policy { retries: 1, backoff_ms: 1_000, on_lost: OnLost::Retry, blocked: false, at_ms: 5_000, spread: 7 }
}

fn lost() -> Exit {
    Exit::because(ExitKind::Lost, "gone")
}

#[test]
fn a_failed_attempt_waits_half_to_all_of_its_backoff() {
    let mut row = ShardRow::default();
    row.end(&Exit::code(1), Certainty::Certain, &policy());
    assert_eq!(row.phase, Phase::Waiting);
    assert!((5_500..=6_000).contains(&row.not_before_ms), "{}", row.not_before_ms);
}

#[test]
fn a_shard_without_retries_left_has_failed() {
    let mut row = ShardRow::default();
    row.end(&Exit::code(1), Certainty::Certain, &policy());
    row.end(&Exit::because(ExitKind::TimedOut, "late"), Certainty::Certain, &policy());
    assert_eq!(row.phase, Phase::Failed);
}

#[test]
fn lost_attempts_use_a_budget_of_their_own() {
    let mut row = ShardRow::default();
    for _ in 0..LOST_ATTEMPTS_MAX {
        row.end(&lost(), Certainty::Presumed, &policy());
        assert_eq!(row.phase, Phase::Waiting);
    }
    row.end(&lost(), Certainty::Presumed, &policy());
    assert_eq!((row.phase, row.failures), (Phase::Lost, 0));
}

#[test]
fn a_refused_start_uses_up_nothing() {
    let mut row = ShardRow::default();
    for _ in 0..1_000 {
        row.end(&Exit::because(ExitKind::Refused, "full"), Certainty::Certain, &policy());
    }
    assert_eq!((row.phase, row.failures, row.losses), (Phase::Waiting, 0, 0));
    assert!(row.not_before_ms <= 5_000 + REFUSED_DELAY_MS_MAX);
}

#[test]
fn a_job_that_waits_for_the_worker_retries_only_what_certainly_does_not_run() {
    let wait = Policy { on_lost: OnLost::Wait, ..policy() };
    let mut row = ShardRow::default();
    row.end(&lost(), Certainty::Presumed, &wait);
    assert_eq!(row.phase, Phase::Awaiting);
    row.end(&lost(), Certainty::Certain, &wait);
    assert_eq!(row.phase, Phase::Waiting);
}

#[test]
fn nothing_is_retried_while_a_cancel_blocks() {
    let blocked = Policy { blocked: true, ..policy() };
    for exit in
        [Exit::code(1), lost(), Exit::because(ExitKind::Refused, ""), Exit::because(ExitKind::Cancelled, "")]
    {
        let mut row = ShardRow::default();
        row.end(&exit, Certainty::Certain, &blocked);
        assert_eq!(row.phase, Phase::Cancelled, "{exit:?}");
    }
}

#[test]
fn progress_never_falls_and_a_fraction_that_is_no_number_is_nothing() {
    let known = Progress { completed: 5, failed: 1, fraction: 0.5, started_at_ms: 9 };
    let odd = Progress { completed: 3, failed: 2, fraction: f64::NAN, started_at_ms: 0 };
    assert_eq!(known.risen_to(odd), Progress { failed: 2, ..known });
}

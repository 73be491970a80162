use super::*;
use crate::machine::fixture::{Bench, Case, node, order, refusal, repeat, success, summary};
use muster_wire::WorkflowIx;
use muster_wire::api::EventKind;
use muster_wire::job::{CancelScope, WorkflowStatus};

pub(crate) const CASES: &[Case] = &[
    success("creates a submitted record at version 1", || {
        let mut bench = Bench::blank();
        let outcome = bench.run(0, SetJob::creation());
        let record = bench.job().record.clone().unwrap();
        assert_eq!((record.status, record.version, record.record_version), (JobStatus::Submitted, 1, 1));
        outcome
    }),
    success("a terminal move appends the status and the end", || {
        let mut bench = Bench::submitted();
        let outcome = bench.move_to(JobStatus::Failed);
        let kinds: Vec<_> = bench.job().events.iter().rev().take(2).map(|event| event.what.kind()).collect();
        assert_eq!(kinds, [EventKind::End, EventKind::Status]);
        outcome
    }),
    success("progress moves counters and appends workflow and progress events", || {
        let mut bench = Bench::leased();
        let outcome = bench.run(1, progress(&bench, 1));
        assert_eq!(bench.job().dc("a").unwrap().shard_counts(), (1, 0, 2));
        let kinds: Vec<_> = bench.job().events.iter().rev().take(2).map(|event| event.what.kind()).collect();
        assert_eq!(kinds, [EventKind::Progress, EventKind::Workflow]);
        outcome
    }),
    success("a cancel is owed to every datacenter that ever had a and to no other", || {
        let mut bench = Bench::submitted();
        bench.lease("a");
        let outcome = bench.run(0, SetJob { cancel: Some(order(CancelScope::Job)), ..bench.change() });
        assert_eq!(bench.job().owed_stops(), ["a"]);
        assert!(bench.job().is_cancelling());
        outcome
    }),
    success("a confirmed cancel is owed no more", || {
        let mut bench = cancelling();
        let outcome = bench.run(1, SetJob { cancel_confirmed: Some(confirmed()), ..bench.change() });
        assert_eq!(bench.job().owed_stops(), ["b"]);
        outcome
    }),
    success("a cancel of some workflows leaves the status", || {
        let mut bench = Bench::leased();
        let outcome = bench.run(
            0,
            SetJob { cancel: Some(order(CancelScope::Workflows(vec![WorkflowIx(1)]))), ..bench.change() },
        );
        assert_eq!(bench.job().owed_workflow_cancels().len(), 2);
        assert_eq!(bench.job().status(), Some(JobStatus::Submitted));
        outcome
    }),
    success("an explicit refusal is recorded and owes no cancel", || {
        let mut bench = cancelling();
        let refused = Some(Refusal { dc: "a".into(), why: "full".into() });
        let outcome = bench.run(1, SetJob { refused, ..bench.change() });
        assert_eq!(bench.job().owed_stops(), ["b"]);
        outcome
    }),
    repeat("of the creation", || Bench::submitted().run(0, SetJob::creation())),
    repeat("of a cancel, whatever the version", || {
        let mut bench = cancelling();
        bench.run(0, SetJob { cancel: Some(order(CancelScope::Job)), ..SetJob::at(1) })
    }),
    repeat("of a status", || Bench::ended().run(0, SetJob::at(1).to(JobStatus::Failed, "again"))),
    repeat("of progress", || {
        let mut bench = Bench::leased();
        bench.run(1, progress(&bench, 1));
        bench.run(1, progress(&bench, 1))
    }),
    refusal("unknown_job", "a change of no record", || {
        Bench::blank().run(0, SetJob::at(3).to(JobStatus::Failed, ""))
    }),
    refusal("conflict", "another record version", || {
        Bench::submitted().run(0, SetJob::at(9).to(JobStatus::Dispatching, ""))
    }),
    refusal("not_allowed", "a move that is not in the table", || {
        Bench::submitted().move_to(JobStatus::Completed)
    }),
    refusal("not_allowed", "a refusal by a datacenter that runs the job", || {
        let mut bench = Bench::leased();
        let (dc, manager, manager_token) = ("a".to_owned(), node(9), Token(1));
        bench.run(
            1,
            crate::machine::commands::UpdateDcManager {
                dc,
                dc_token: Token(1),
                manager,
                manager_token,
                mode: crate::machine::commands::ManagerMode::Assign,
            },
        );
        bench.run(
            1,
            SetJob { refused: Some(Refusal { dc: "a".into(), why: "full".into() }), ..bench.change() },
        )
    }),
    refusal("already_terminal", "terminal means terminal", || Bench::ended().move_to(JobStatus::Cancelling)),
    refusal("already_terminal", "a cancel after the end", || {
        let mut bench = Bench::ended();
        bench.run(0, SetJob { cancel: Some(order(CancelScope::Job)), ..bench.change() })
    }),
    refusal("stale", "counters that fall", || {
        let mut bench = Bench::leased();
        bench.run(1, progress(&bench, 2));
        bench.run(1, progress(&bench, 1))
    }),
    refusal("stale", "progress of another lease", || {
        let mut bench = Bench::leased();
        let mut command = progress(&bench, 1);
        command.progress.get_mut("a").unwrap().dc_token = Token(9);
        bench.run(1, command)
    }),
    refusal("too_large", "progress over 64 KiB", || {
        let mut bench = Bench::leased();
        let mut command = progress(&bench, 1);
        command.progress.get_mut("a").unwrap().workflows[0].error = Some("x".repeat(PROGRESS_BYTES_MAX));
        bench.run(1, command)
    }),
    refusal("malformed", "a cancel of no workflow", || {
        let mut bench = Bench::leased();
        bench.run(
            0,
            SetJob { cancel: Some(order(CancelScope::Workflows(vec![WorkflowIx(9)]))), ..bench.change() },
        )
    }),
    refusal("limit_reached", "too many cancels of workflows", || {
        let mut bench = Bench::leased();
        let mut run = |len: usize| {
            let scope = CancelScope::Workflows(vec![WorkflowIx(0); len]);
            bench.run(0, SetJob { cancel: Some(order(scope)), ..bench.change() })
        };
        (1..=WORKFLOW_CANCELS_MAX).for_each(|len| assert_eq!(run(len).word(), "applied"));
        run(WORKFLOW_CANCELS_MAX + 1)
    }),
];

fn progress(bench: &Bench, succeeded: u32) -> SetJob {
    let said = DcSummaries {
        dc_token: Token(1),
        status: JobStatus::Running,
        workflows: vec![summary(0, succeeded)],
    };
    SetJob { progress: [("a".to_owned(), said)].into(), ..bench.change() }
}

fn cancelling() -> Bench {
    let mut bench = Bench::leased();
    bench.run(0, SetJob { cancel: Some(order(CancelScope::Job)), ..bench.change() });
    bench
}

fn confirmed() -> CancelConfirmed {
    CancelConfirmed { dc: "a".into(), workflow_cancel: None, errors: vec!["one unconfirmed".into()] }
}

#[test]
fn the_ring_keeps_the_last_events_and_their_ids_are_contiguous() {
    let mut bench = Bench::leased();
    for attempt in 1..=700 {
        let mut row = summary(0, 0);
        row.attempts = attempt;
        row.status = if attempt % 2 == 0 { WorkflowStatus::Running } else { WorkflowStatus::Assigned };
        row.progress = f64::from(attempt) / 1_000.0;
        let said = DcSummaries { dc_token: Token(1), status: JobStatus::Running, workflows: vec![row] };
        assert_eq!(
            bench.run(1, SetJob { progress: [("a".to_owned(), said)].into(), ..bench.change() }).word(),
            "applied"
        );
    }
    let events = &bench.job().events;
    assert_eq!(events.len(), crate::machine::state::EVENTS_MAX);
    assert_eq!(events.last().unwrap().version, bench.job().record.as_ref().unwrap().version);
    assert!(events.iter().zip(events.iter().skip(1)).all(|(one, next)| one.version + 1 == next.version));
}

//! The conformance table: per command its success, its repeat, each refusal and each guard, by name. A row of the
//! dispatch table without cases fails.

use muster_machine::{Entry, Envelope, Machine as _, Outcome, Reason};
use muster_wire::Token;

use super::commands::cases;
use super::fixture::{Bench, Case, Kind, START_MS};
use super::leadership::TOKEN_REACH;
use super::state::GateJob;
use super::table::COMMANDS;

/// The refusals of each command, beside its guards.
const REFUSALS: &[(&str, &[&str])] = &[
    (
        "set_job",
        &[
            "unknown_job",
            "conflict",
            "not_allowed",
            "already_terminal",
            "stale",
            "too_large",
            "malformed",
            "limit_reached",
        ],
    ),
    ("delete_job", &["not_allowed", "unknown_job"]),
    ("set_target_dcs", &["not_allowed", "malformed", "limit_reached"]),
    ("add_target_dc", &["not_allowed", "not_yet"]),
    ("set_dc_result", &["not_allowed", "fenced", "already_recorded", "malformed", "token_out_of_range"]),
    ("set_callback", &["limit_reached", "malformed"]),
    ("remove_callback", &[]),
    ("set_fence_token", &["not_allowed", "token_out_of_range"]),
    ("cleanup_old_jobs", &[]),
    ("assume_gate_leadership", &["conflict"]),
    ("takeover_gate_leadership", &["conflict"]),
    ("release_gate_leadership", &["conflict"]),
    ("process_leadership_claim", &["conflict", "not_allowed"]),
    ("update_dc_manager", &["conflict", "stale", "not_allowed"]),
    ("release_dc_managers", &[]),
    ("create_lease", &["held", "not_allowed"]),
    ("release_lease", &["held"]),
    ("set_job_submission", &["conflict"]),
    ("set_workflow_dc_result", &["fenced", "already_recorded", "malformed", "not_allowed"]),
    ("gate_membership_event", &["stale"]),
];

fn of(name: &str) -> &'static [Case] {
    cases().iter().find(|(command, _)| *command == name).map_or(&[], |(_, cases)| cases)
}

#[test]
fn every_row_has_a_success_a_repeat_and_each_refusal() {
    assert_eq!(COMMANDS.rows.len(), 20);
    for row in COMMANDS.rows {
        let (_, words) = REFUSALS.iter().find(|(name, _)| *name == row.name).expect(row.name);
        let kinds: Vec<Kind> = of(row.name).iter().map(|case| case.kind).collect();
        let refusals = words.iter().map(|word| Kind::Refusal(word));
        for kind in [Kind::Success, Kind::Repeat].into_iter().chain(refusals) {
            assert!(kinds.contains(&kind), "{} has no case for {kind:?}", row.name);
        }
    }
}

#[test]
fn tags_are_one_to_twenty_without_a_gap() {
    assert!(COMMANDS.rows.iter().map(|row| row.tag).eq(1..=20));
}

#[test]
fn every_case_comes_to_what_it_claims() {
    for (command, cases) in cases() {
        for case in *cases {
            let outcome = (case.run)();
            let word = match case.kind {
                Kind::Success => "applied",
                Kind::Repeat => "noop",
                Kind::Refusal(word) => word,
            };
            assert_eq!(outcome.word(), word, "{command}: {}", case.claim);
        }
    }
}

/// Guards are checked before a command is decoded, so an empty body shows them alone.
fn guarded(mut bench: Bench, tag: u16, token: u64) -> Outcome {
    let mut entry = Entry::new(bench.job_id(), Token(token), START_MS);
    entry.commands.push(Envelope { tag, body: vec![0xc1] });
    bench.entry(entry).outcomes.remove(0)
}

fn rows_with(guard: &str) -> impl Iterator<Item = u16> {
    let guard = guard.to_owned();
    let rows = COMMANDS.rows.iter().filter(move |row| row.guard_names.iter().any(|name| *name == guard));
    rows.map(|row| row.tag)
}

fn refused(outcome: &Outcome) -> Option<&Reason> {
    outcome.rejection()
}

#[test]
fn a_purged_job_refuses_every_guarded_command_as_gone() {
    for tag in rows_with("job_exists").chain(rows_with("not_gone")) {
        let outcome = guarded(Bench::purged(), tag, 1);
        assert!(matches!(refused(&outcome), Some(Reason::Gone { .. })), "{tag}: {outcome:?}");
    }
}

#[test]
fn a_blank_group_knows_no_job() {
    for tag in rows_with("job_exists") {
        assert_eq!(refused(&guarded(Bench::blank(), tag, 0)), Some(&Reason::UnknownJob), "{tag}");
    }
}

#[test]
fn a_fenced_command_needs_exactly_the_current_token() {
    for tag in rows_with("current_token") {
        let refusal = |token| guarded(Bench::submitted(), tag, token);
        assert_eq!(refused(&refusal(0)), Some(&Reason::Fenced { by: Token(1) }), "{tag}");
        assert_eq!(refused(&refusal(2)), Some(&Reason::Conflict { version: 1 }), "{tag}");
        assert_eq!(refused(&refusal(2 + TOKEN_REACH)), Some(&Reason::TokenOutOfRange), "{tag}");
    }
}

#[test]
fn an_unfenced_command_under_an_old_token_is_fenced_all_the_same() {
    for tag in rows_with("token_if_any") {
        let mut bench = Bench::submitted();
        bench.run(
            0,
            super::commands::TakeoverGateLeadership {
                node: super::fixture::node(2),
                expected_token: Token(1),
            },
        );
        assert_eq!(refused(&guarded(bench, tag, 1)), Some(&Reason::Fenced { by: Token(2) }), "{tag}");
        let far = guarded(Bench::submitted(), tag, 2 + TOKEN_REACH);
        assert_eq!(refused(&far), Some(&Reason::TokenOutOfRange), "{tag}");
    }
}

#[test]
fn commands_for_open_jobs_are_refused_after_the_end() {
    for tag in rows_with("job_open") {
        let outcome = guarded(Bench::ended(), tag, 1);
        assert!(matches!(refused(&outcome), Some(Reason::AlreadyTerminal { .. })), "{tag}");
    }
}

#[test]
fn an_undecodable_body_is_malformed_in_every_row() {
    for row in COMMANDS.rows {
        let outcome = guarded(Bench::submitted(), row.tag, 1);
        assert!(matches!(refused(&outcome), Some(Reason::Malformed { .. })), "{}", row.name);
    }
}

#[test]
fn a_snapshot_restores_to_the_same_bytes() {
    let bench = Bench::leased();
    let bytes = bench.job().encode().unwrap();
    assert_eq!(GateJob::restore(&bytes).unwrap().encode().unwrap(), bytes);
}

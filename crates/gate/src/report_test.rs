use std::time::Duration;

use muster_machine::Machine as _;
use muster_wire::Token;
use muster_wire::job::WorkflowStatus;

use super::*;
use crate::machine::commands::TakeoverGateLeadership;
use crate::machine::fixture::{Bench, START_MS, dc_result, lease, node, summary};

fn reporter(dc_token: u64, manager_token: u64) -> Reporter {
    Reporter {
        job: Bench::blank().job_id(),
        datacenter: "a".into(),
        dc_token: Token(dc_token),
        manager: node(9),
        manager_token: Token(manager_token),
        forwarded: false,
    }
}

fn view(bench: &Bench) -> View<GateJob> {
    View { state: bench.job().clone().into(), applied: 1, term: 1, at_ms: START_MS, age: Duration::ZERO }
}

fn progress(workflows: Vec<WorkflowSummary>) -> ReportProgress {
    ReportProgress { from: reporter(1, 1), status: JobStatus::Running, workflows }
}

fn names(entry: &Entry) -> Vec<&'static str> {
    entry.commands.iter().map(|command| GateJob::table().row(command.tag).unwrap().name).collect()
}

fn apply(bench: &mut Bench, report: &dyn Report) -> Vec<&'static str> {
    let entry = entry_of(report, &view(bench), START_MS).unwrap();
    let names = names(&entry);
    let reply = bench.entry(entry);
    assert_eq!(reply.undone_by, None, "{reply:?}");
    names
}

#[test]
fn the_first_report_names_the_manager_and_repeats_need_no_entry() {
    let mut bench = Bench::leased();
    let report = progress(vec![summary(0, 1)]);
    assert_eq!(apply(&mut bench, &report), ["update_dc_manager", "set_job"]);
    assert!(bench.job().dc("a").unwrap().has_accepted());
    assert!(entry_of(&report, &view(&bench), START_MS).unwrap().commands.is_empty());
}

#[test]
fn a_final_report_is_one_entry() {
    let mut bench = Bench::leased();
    let workflows = vec![WorkflowSummary { status: WorkflowStatus::Completed, ..summary(0, 2) }];
    let report = ReportJob {
        from: reporter(1, 1),
        workflows,
        result: dc_result(JobStatus::Completed),
        results: Vec::new(),
    };
    assert_eq!(apply(&mut bench, &report), ["update_dc_manager", "set_job", "set_dc_result"]);
    assert_eq!(apply(&mut bench, &report), ["set_dc_result"]);
}

#[test]
fn a_thousand_workflows_fit_one_entry_of_several_commands() {
    let mut bench = Bench::leased();
    let error = Some("x".repeat(200));
    let rows = (0..1_000).map(|ix| WorkflowSummary { error: error.clone(), ..summary(ix, 1) }).collect();
    let names = apply(&mut bench, &progress(rows));
    assert!(names.len() > 3, "{names:?}");
    assert_eq!(bench.job().dc("a").unwrap().progress.as_ref().unwrap().workflows.len(), 1_000);
}

#[test]
fn a_report_that_a_new_lease_overtakes_does_not_count_as_its_acceptance() {
    let mut bench = Bench::leased();
    let overtaken = entry_of(&progress(vec![summary(0, 1)]), &view(&bench), START_MS).unwrap();
    bench.run(0, TakeoverGateLeadership { node: node(2), expected_token: Token(1) });
    bench.run(2, lease("a", node(2), START_MS));
    let token = Token(2);
    assert!(bench.entry(Entry { token, ..overtaken }).undone_by.is_some());
    assert!(!bench.job().dc("a").unwrap().has_accepted());
}

#[test]
fn a_manager_of_an_older_lease_or_an_older_leadership_is_fenced() {
    let mut bench = Bench::leased();
    apply(&mut bench, &ReportProgress { from: reporter(1, 5), ..progress(vec![]) });
    let fenced =
        |from| entry_of(&ReportProgress { from, ..progress(vec![]) }, &view(&bench), START_MS).unwrap_err();
    assert_eq!(fenced(reporter(0, 5)), RpcError::Fenced { by: Token(1) });
    assert_eq!(fenced(reporter(1, 4)), RpcError::Fenced { by: Token(5) });
}

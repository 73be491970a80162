use muster_wire::Token;
use muster_wire::job::CancelScope;
use muster_wire::spec::{OnWorkflowFailure, Require};

use super::*;
use crate::machine::commands::{CancelConfirmed, SetDcResult};
use crate::machine::fixture::{Bench, START_MS, dc_result, order, spec};

fn decided(bench: &Bench, now_ms: u64) -> Option<JobStatus> {
    let job = bench.job();
    decision(job, job.record.as_ref().unwrap(), now_ms).map(|verdict| verdict.status)
}

fn report(bench: &mut Bench, dc: &str, status: JobStatus) {
    bench.run(1, SetDcResult { dc: dc.into(), dc_token: Token(1), result: dc_result(status) });
}

fn leased(spec: muster_wire::spec::JobSpec) -> Bench {
    let mut bench = Bench::submitted_as(spec);
    bench.lease("a");
    bench.lease("b");
    bench
}

#[test]
fn all_required_completes_only_when_every_target_has() {
    let mut bench = leased(spec(Require::All));
    report(&mut bench, "a", JobStatus::Completed);
    assert_eq!(decided(&bench, START_MS), Some(JobStatus::Running));
    report(&mut bench, "b", JobStatus::Completed);
    assert_eq!(decided(&bench, START_MS), Some(JobStatus::Completed));
}

#[test]
fn any_completes_with_the_first_and_fails_with_the_last() {
    let mut bench = leased(spec(Require::Any));
    report(&mut bench, "a", JobStatus::Failed);
    assert_eq!(decided(&bench, START_MS), Some(JobStatus::Running));
    let mut other = leased(spec(Require::Any));
    report(&mut other, "b", JobStatus::Completed);
    assert_eq!(decided(&other, START_MS), Some(JobStatus::Completed));
    report(&mut bench, "b", JobStatus::TimedOut);
    assert_eq!(decided(&bench, START_MS), Some(JobStatus::Failed));
}

#[test]
fn a_job_that_goes_on_after_failures_ends_partial_when_all_have_reported() {
    let mut bench = leased(muster_wire::spec::JobSpec {
        on_workflow_failure: OnWorkflowFailure::Continue,
        ..spec(Require::All)
    });
    report(&mut bench, "a", JobStatus::Failed);
    assert_eq!(decided(&bench, START_MS), Some(JobStatus::Running));
    report(&mut bench, "b", JobStatus::Completed);
    assert_eq!(decided(&bench, START_MS), Some(JobStatus::Partial));
}

#[test]
fn a_cancelled_job_ends_when_each_leased_datacenter_has_confirmed() {
    let mut bench = leased(spec(Require::All));
    bench.run(0, SetJob { cancel: Some(order(CancelScope::Job)), ..bench.change() });
    assert_eq!(decided(&bench, START_MS), None);
    for dc in ["a", "b"] {
        let confirmed = CancelConfirmed { dc: dc.into(), workflow_cancel: None, errors: vec![] };
        bench.run(1, SetJob { cancel_confirmed: Some(confirmed), ..bench.change() });
    }
    assert_eq!(decided(&bench, START_MS + LAST_RESULTS_MS), Some(JobStatus::Cancelled));
}

#[test]
fn a_cancel_ends_after_its_deadline_and_names_who_did_not_confirm() {
    let mut bench = leased(spec(Require::All));
    bench.run(0, SetJob { cancel: Some(order(CancelScope::Job)), ..bench.change() });
    let late = START_MS + 60_000 + CONFIRM_GRACE_MS;
    let verdict = decision(bench.job(), bench.job().record.as_ref().unwrap(), late).unwrap();
    assert_eq!(verdict.settled.datacenters, ["a", "b"]);
}

#[test]
fn a_job_that_no_datacenter_took_times_out_by_itself() {
    let bench = Bench::submitted();
    assert_eq!(decided(&bench, START_MS + 600_000), Some(JobStatus::TimedOut));
    let bench = leased(spec(Require::All));
    assert_eq!(decided(&bench, START_MS + 600_000), None, "its datacenters report it themselves");
    assert_eq!(decided(&bench, START_MS + 615_000), Some(JobStatus::TimedOut));
}

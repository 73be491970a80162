use muster_machine::Reason;
use muster_wire::job::JobStatus;

use super::super::super::testing::*;
use super::super::super::*;
use super::*;

fn batch(version: u64, status: JobStatus) -> SummarizeJobs {
    SummarizeJobs { rows: vec![(JobId(1), summary(version, status)), (JobId(77), summary(version, status))] }
}

#[test]
fn a_newer_summary_replaces_an_older_one_and_unknown_jobs_are_skipped() {
    let mut bench = Bench::of(3);
    bench.registered(1);
    assert_eq!(bench.applied(&batch(3, JobStatus::Running)), 1);
    assert_eq!(bench.same(&batch(3, JobStatus::Running)), 0);
    assert_eq!(bench.same(&batch(2, JobStatus::Submitted)), 0);
    assert_eq!(bench.directory().job(JobId(1)).unwrap().summary.unwrap().status, JobStatus::Running);
}

#[test]
fn delivery_is_noted_without_a_new_version() {
    let mut bench = Bench::of(3);
    bench.registered(1);
    bench.applied(&batch(3, JobStatus::Completed));
    assert!(!bench.directory().job(JobId(1)).unwrap().is_purgeable());
    let delivered = JobSummary { delivered: true, ..summary(3, JobStatus::Completed) };
    bench.applied(&SummarizeJobs { rows: vec![(JobId(1), delivered)] });
    assert!(bench.directory().job(JobId(1)).unwrap().is_purgeable());
}

#[test]
fn the_oldest_delivered_jobs_are_hinted_once_it_is_nearly_full() {
    let mut bench = Bench::new();
    bench.applied(&MemberJoin { groups_max: 4, ..founding(1) });
    for id in 1..=3 {
        bench.registered(id);
        let over = JobSummary { delivered: true, ..summary(10 - id as u64, JobStatus::Completed) };
        bench.applied(&SummarizeJobs { rows: vec![(JobId(id), over)] });
    }
    assert_eq!(bench.directory().purgeable(9), []);
    bench.registered(4);
    assert_eq!(bench.directory().purgeable(2), [JobId(3), JobId(2)]);
}

#[test]
fn a_batch_over_its_bound_is_refused() {
    let rows = vec![(JobId(1), summary(1, JobStatus::Running)); BATCH_MAX + 1];
    assert!(matches!(Bench::of(1).refused(&SummarizeJobs { rows }), Reason::TooLarge { .. }));
}

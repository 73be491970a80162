use super::super::super::testing::*;
use super::super::super::*;
use super::*;

#[test]
fn a_retired_job_is_its_tombstone_and_its_place_is_free() {
    let mut bench = Bench::of(3);
    let row = bench.registered(1);
    let before = bench.directory().clone();
    assert_eq!(bench.applied(&retire(&bench, vec![retiring(1, JobStatus::Completed)])), 1);
    let directory = bench.directory();
    assert!(directory.job(JobId(1)).is_none() && directory.job_of_group(row.group).is_none());
    assert_eq!(directory.held(MemberNumber(1)), 0);
    let tombstone = directory.tombstone(JobId(1)).unwrap();
    assert_eq!((tombstone.status, tombstone.token), (JobStatus::Completed, Token(7)));
    let changes: Vec<_> = directory.job_changes_since(&before).collect();
    assert_eq!(changes, [JobChange::Removed { job: JobId(1), group: row.group }]);
}

#[test]
fn a_repeat_and_an_unknown_job_change_nothing() {
    let mut bench = Bench::of(3);
    bench.registered(1);
    bench.applied(&retire(&bench, vec![retiring(1, JobStatus::Completed)]));
    assert_eq!(
        bench.same(&retire(&bench, vec![retiring(1, JobStatus::Failed), retiring(8, JobStatus::Void)])),
        0
    );
}

#[test]
fn a_job_that_is_not_over_is_not_retired() {
    let mut bench = Bench::of(3);
    bench.registered(1);
    let reason = bench.refused(&retire(&bench, vec![retiring(1, JobStatus::Running)]));
    assert!(matches!(reason, Reason::NotAllowed { .. }));
}

#[test]
fn a_batch_over_its_bound_is_refused() {
    let mut bench = Bench::of(1);
    let jobs = vec![retiring(1, JobStatus::Failed); BATCH_MAX + 1];
    assert!(matches!(bench.refused(&retire(&bench, jobs)), Reason::TooLarge { .. }));
}

#[test]
fn a_tombstone_without_a_key_goes_after_its_time_and_one_with_a_key_stays() {
    let mut bench = Bench::of(3);
    bench.applied(&RegisterJob { key: None, ..register(1) });
    bench.registered(2);
    bench.applied(&retire(&bench, vec![retiring(1, JobStatus::Failed), retiring(2, JobStatus::Failed)]));
    bench.now_ms += 61_000;
    bench.applied(&retire(&bench, Vec::new()));
    assert!(bench.directory().tombstone(JobId(1)).is_none());
    bench.now_ms += KEY_KEEP_MS_MIN;
    bench.same(&retire(&bench, Vec::new()));
    assert_eq!(bench.directory().job_by_key("key-2"), Some(JobId(2)));
}

#[test]
fn a_clock_ahead_of_replicated_time_drops_nothing_early() {
    let mut bench = Bench::of(3);
    bench.applied(&RegisterJob { key: None, ..register(1) });
    bench.applied(&retire(&bench, vec![retiring(1, JobStatus::Failed)]));
    bench.same(&RetireJobs { jobs: Vec::new(), now_ms: u64::MAX, keep_ms: 60_000 });
}

fn tombstones(directory: &mut Directory, ids: std::ops::Range<u128>, at_ms: u64) {
    for id in ids {
        let key = Some(Fingerprint::of_key(&format!("key-{id}")));
        let digest = Fingerprint::of_digest(&digest(1));
        let (job, status, token) = (JobId(id), JobStatus::Failed, Token(1 << 40));
        directory.put_retired(Retired { job, status, token, at_ms, key, digest });
    }
}

#[test]
fn keys_are_kept_for_an_hour_and_for_the_last_hundred_thousand_and_never_beyond_the_bound() {
    let mut directory = Directory::default();
    let at_ms = 1_795_000_000_000;
    tombstones(&mut directory, 1..KEYED_KEPT as u128 + 11, at_ms);
    assert_eq!(directory.prune_retired(at_ms + KEY_KEEP_MS_MIN, 0), 0);
    assert_eq!(directory.prune_retired(at_ms + KEY_KEEP_MS_MIN + 1, 0), 10);
    assert_eq!(directory.job_by_key("key-10"), None);
    assert_eq!(directory.job_by_key("key-11"), Some(JobId(11)));
    tombstones(&mut directory, 200_000..220_000, at_ms);
    assert_eq!(directory.prune_retired(0, u64::MAX), 10_000);
    assert_eq!(directory.tombstones_len(), RETIRED_MAX);
    let bytes = directory.encode().unwrap().len();
    assert!(bytes < RETIRED_MAX * bounds::RETIRED_BYTES as usize, "{bytes}");
}

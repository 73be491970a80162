use super::super::super::testing::*;
use super::super::super::*;
use super::*;

#[test]
fn a_new_job_gets_the_index_of_its_entry_as_group() {
    let mut bench = Bench::of(3);
    let reply = bench.applied(&register(9));
    assert_eq!(reply, Registered::New { group: GroupId(4), opened: false });
    let row = bench.directory().job(JobId(9)).unwrap();
    assert_eq!((row.group, row.set_index, row.replicas.len()), (GroupId(4), 4, 3));
    assert_eq!(row.replicas, row.birth.raft_ids());
    assert_eq!(bench.directory().job_by_key("key-9"), Some(JobId(9)));
    assert_eq!(bench.directory().job_of_group(GroupId(4)), Some(JobId(9)));
}

#[test]
fn a_repeat_finds_the_same_job_by_id_and_then_by_key() {
    let mut bench = Bench::of(3);
    bench.applied(&register(9));
    let known = Registered::Known { job: JobId(9), group: GroupId(4), digest_equal: true };
    assert_eq!(bench.same(&register(9)), known);
    assert_eq!(bench.same(&RegisterJob { job: JobId(10), ..register(9) }), known);
}

#[test]
fn another_body_under_the_same_key_is_told_apart() {
    let mut bench = Bench::of(3);
    bench.applied(&register(9));
    let reply = bench.same(&RegisterJob { job: JobId(10), digest: digest(1), ..register(9) });
    assert_eq!(reply, Registered::Known { job: JobId(9), group: GroupId(4), digest_equal: false });
}

#[test]
fn the_key_of_a_finished_job_still_names_it() {
    let mut bench = Bench::of(3);
    bench.applied(&register(9));
    bench.applied(&retire(&bench, vec![retiring(9, JobStatus::Completed)]));
    let gone = |digest_equal| Registered::Gone { job: JobId(9), status: JobStatus::Completed, digest_equal };
    assert_eq!(bench.same(&RegisterJob { job: JobId(10), ..register(9) }), gone(true));
    assert_eq!(bench.same(&RegisterJob { job: JobId(10), digest: digest(1), ..register(9) }), gone(false));
}

#[test]
fn the_key_of_a_void_job_is_free_again() {
    let mut bench = Bench::of(3);
    bench.applied(&register(9));
    bench.applied(&retire(&bench, vec![retiring(9, JobStatus::Void)]));
    assert!(matches!(bench.same(&register(9)), Registered::Gone { status: JobStatus::Void, .. }));
    assert!(matches!(bench.applied(&RegisterJob { job: JobId(10), ..register(9) }), Registered::New { .. }));
}

#[test]
fn a_registration_as_retired_leaves_only_the_tombstone() {
    let mut bench = Bench::of(3);
    let retired = RegisterJob { retired: Some(JobStatus::Cancelled), ..register(9) };
    let gone = Registered::Gone { job: JobId(9), status: JobStatus::Cancelled, digest_equal: true };
    assert_eq!(bench.applied(&retired), gone);
    assert_eq!(bench.same(&register(9)), gone);
    assert_eq!(bench.directory().jobs_len(), 0);
}

#[test]
fn a_tombstone_of_a_job_that_exists_is_not_made() {
    let mut bench = Bench::of(3);
    bench.applied(&register(9));
    let reply = bench.same(&RegisterJob { retired: Some(JobStatus::Cancelled), ..register(9) });
    assert!(matches!(reply, Registered::Known { .. }));
}

#[test]
fn full_members_make_it_busy_before_anything_is_written() {
    let mut bench = Bench::of(3);
    for member in 1..=3 {
        bench.applied(&MemberState {
            member: MemberNumber(member),
            generation: muster_wire::Generation(1),
            groups_max: Some(2),
            ..MemberState::default()
        });
    }
    bench.registered(1);
    assert!(!bench.directory().is_nearly_full());
    bench.registered(2);
    assert!(bench.directory().is_nearly_full());
    assert!(matches!(bench.refused(&register(3)), Reason::Busy { retry_after_ms: 1.. }));
    bench.applied(&retire(&bench, vec![retiring(1, JobStatus::Failed)]));
    bench.registered(3);
}

#[test]
fn without_members_it_is_busy() {
    assert!(matches!(Bench::new().refused(&register(1)), Reason::Busy { .. }));
}

#[test]
fn what_is_over_its_bound_or_never_ends_is_refused() {
    let mut bench = Bench::of(3);
    let long = |bytes: usize| "k".repeat(bytes);
    let refused = [
        RegisterJob { key: Some(long(257)), ..register(1) },
        RegisterJob { name: long(129), ..register(1) },
        RegisterJob { labels: BTreeMap::from([("a".into(), long(2048))]), ..register(1) },
    ];
    for command in &refused {
        assert!(matches!(bench.refused(command), Reason::TooLarge { .. }));
    }
    let running = RegisterJob { retired: Some(JobStatus::Running), ..register(1) };
    assert!(matches!(bench.refused(&running), Reason::Malformed { .. }));
}

#[test]
fn a_snapshot_never_outgrows_the_codec() {
    let mut bench = Bench::new();
    for number in 1..=3 {
        bench.applied(&MemberJoin { groups_max: 1_000_000, ..founding(number) });
    }
    let label = "v".repeat(LABEL_BYTES_MAX - 1);
    let mut id = 0;
    loop {
        id += 1;
        let command = RegisterJob { labels: BTreeMap::from([("k".into(), label.clone())]), ..register(id) };
        if bench.apply(&command).rejection().is_some() {
            break;
        }
        assert!(id < 10_000, "nothing bounds the rows");
    }
    let weight = bench.directory().weight();
    let bytes = bench.directory().encode().unwrap().len() as u64;
    assert!(bytes <= weight && weight <= STATE_BYTES_MAX, "{bytes} of {weight}");
}

#[test]
fn two_registrations_in_one_entry_are_refused_whole() {
    let mut bench = Bench::of(3);
    let entry = muster_machine::Entry::new(JobId(0), Token(0), bench.now_ms);
    let entry = entry.with(&register(1)).unwrap().with(&register(2)).unwrap();
    let reply = bench.replica.apply(50, &entry.encode().unwrap()).unwrap();
    assert!(matches!(reply.rejection(), Some(Reason::Malformed { .. })));
    assert_eq!(bench.directory().jobs_len(), 0);
}

fn opening(id: u128, bytes: usize) -> RegisterJob {
    RegisterJob { opening: Some(vec![7; bytes].into()), ..register(id) }
}

fn is_opened(registered: &Registered) -> bool {
    matches!(registered, Registered::New { opened: true, .. })
}

#[test]
fn an_opening_is_kept_until_the_job_is_summed_up_and_survives_a_snapshot() {
    let mut bench = Bench::of(3);
    assert!(is_opened(&bench.applied(&opening(1, 100))));
    let restored = Directory::restore(&bench.directory().encode().unwrap()).unwrap();
    let row = restored.job(JobId(1)).unwrap();
    assert_eq!((row.opening.as_ref().unwrap().len(), restored.opening_bytes), (100, 100));
    bench.applied(&SummarizeJobs { rows: vec![(JobId(1), summary(1, JobStatus::Running))] });
    let directory = bench.directory();
    let row = directory.job(JobId(1)).unwrap();
    assert_eq!((&row.opening, directory.opening_bytes), (&None, 0));
    assert_eq!(directory.job_bytes, row.weight());
}

#[test]
fn a_large_opening_is_left_to_the_group() {
    let mut bench = Bench::of(3);
    assert!(is_opened(&bench.applied(&opening(1, OPENING_BYTES_MAX))));
    assert!(!is_opened(&bench.applied(&opening(2, OPENING_BYTES_MAX + 1))));
    assert_eq!(bench.directory().job(JobId(2)).unwrap().opening, None);
}

#[test]
fn openings_are_bounded_together_and_make_room_when_they_go() {
    let mut bench = Bench::new();
    bench.applied(&MemberJoin { groups_max: 1000, ..founding(1) });
    let most = OPENINGS_BYTES_MAX as usize / OPENING_BYTES_MAX;
    let taken =
        |bench: &mut Bench, id: usize| is_opened(&bench.applied(&opening(id as u128, OPENING_BYTES_MAX)));
    assert!((1..=most).all(|id| taken(&mut bench, id)));
    assert!(!taken(&mut bench, most + 1));
    bench.applied(&retire(&bench, vec![retiring(1, JobStatus::Completed)]));
    assert!(taken(&mut bench, most + 2));
}

/// As it was written before there were openings.
#[derive(serde::Serialize)]
struct Older(
    JobId,
    Option<String>,
    Digest,
    String,
    BTreeMap<String, String>,
    MemberNumber,
    Vec<MemberNumber>,
    u32,
    (),
);

#[test]
fn a_registration_without_the_field_has_no_opening() {
    let RegisterJob { job, key, digest, name, labels, proposer, avoid, replication, .. } = register(9);
    let older = Older(job, key, digest, name, labels, proposer, avoid, replication, ());
    let bytes = muster_wire::encode(&older).unwrap();
    assert_eq!(muster_wire::decode::<RegisterJob>(&bytes).unwrap(), register(9));
}

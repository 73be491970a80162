//! Random histories: replicas agree byte for byte, snapshots may be taken anywhere, keys and indexes hold.

use std::collections::{BTreeMap, BTreeSet};

use muster_machine::{Entry, Replica};
use muster_wire::job::JobStatus;
use muster_wire::{Generation, RaftId};
use proptest::prelude::*;

use super::testing::*;
use super::*;

/// A command in a small world, so that histories collide often.
#[derive(Clone, Debug)]
enum Step {
    Register(RegisterJob),
    Summarize(SummarizeJobs),
    Retire(Vec<Retiring>, u64),
    Join(MemberJoin),
    State(MemberState),
    Remove(MemberRemove),
    Plan { job: u128, out: u32, into: u32, seen: bool },
    Renew { job: u128, at: usize, seen: bool },
    Confirm(u128),
    Feature(SetFeatureVersion),
}

fn status() -> impl Strategy<Value = JobStatus> {
    prop::sample::select(JobStatus::ALL)
}

fn registers() -> impl Strategy<Value = Step> {
    let retired = prop_oneof![4 => Just(None), 1 => status().prop_map(Some)];
    let avoid = prop::collection::vec((1..7_u32).prop_map(MemberNumber), 0..3);
    (1..12_u128, prop::option::of(0..6_u8), 0..3_u8, 1..7_u32, (retired, avoid, 0..6_u32)).prop_map(
        |(job, key, body, proposer, (retired, avoid, replication))| {
            Step::Register(RegisterJob {
                key: key.map(|key| format!("k{key}")),
                digest: digest(body),
                proposer: MemberNumber(proposer),
                retired,
                avoid,
                replication,
                ..register(job)
            })
        },
    )
}

fn members() -> impl Strategy<Value = Step> {
    const MOVES: &[MemberStatus] = &[MemberStatus::Active, MemberStatus::Draining, MemberStatus::Joining];
    let states =
        (1..7_u32, 1..4_u64, prop::option::of(prop::sample::select(MOVES)), any::<Option<bool>>(), 0..9_u32)
            .prop_map(|(member, generation, status, dead, groups_max)| {
                Step::State(MemberState {
                    member: MemberNumber(member),
                    generation: Generation(generation),
                    status,
                    dead,
                    groups_max: Some(groups_max),
                    ..MemberState::default()
                })
            });
    let joins = (1..9_u32, 1..6_u32, 1..4_u64).prop_map(|(node, name, generation)| {
        Step::Join(MemberJoin { name: format!("n{name}"), generation: Generation(generation), ..join(node) })
    });
    let removes = (1..7_u32).prop_map(|member| Step::Remove(MemberRemove { member: MemberNumber(member) }));
    prop_oneof![4 => states, 2 => joins, 1 => removes]
}

fn jobs() -> impl Strategy<Value = Step> {
    let summaries = (1..12_u128, 0..4_u64, status()).prop_map(|(job, version, status)| {
        Step::Summarize(SummarizeJobs { rows: vec![(JobId(job), summary(version, status))] })
    });
    let retirements = (prop::collection::vec((1..12_u128, status()), 0..3), 0..5_000_000_u64).prop_map(
        |(jobs, pause_ms)| {
            Step::Retire(jobs.into_iter().map(|(job, status)| retiring(job, status)).collect(), pause_ms)
        },
    );
    let plans = (1..12_u128, 1..7_u32, 1..7_u32, any::<bool>())
        .prop_map(|(job, out, into, seen)| Step::Plan { job, out, into, seen });
    let renewals =
        (1..12_u128, 0..3_usize, any::<bool>()).prop_map(|(job, at, seen)| Step::Renew { job, at, seen });
    let confirms = (1..12_u128).prop_map(Step::Confirm);
    let features = (0..3_u16).prop_map(|feature| Step::Feature(SetFeatureVersion { feature }));
    prop_oneof![2 => summaries, 3 => retirements, 4 => plans, 2 => renewals, 3 => confirms, 1 => features]
}

fn histories() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(prop_oneof![4 => registers(), 2 => members(), 4 => jobs()], 1..60)
}

/// The step's entry as it would be proposed against this state.
fn entry(directory: &Directory, step: &Step, now_ms: &mut u64) -> Vec<u8> {
    let empty = Entry::new(JobId(0), Token(0), *now_ms);
    let entry = match step {
        Step::Register(command) => empty.with(command),
        Step::Summarize(command) => empty.with(command),
        Step::Join(command) => empty.with(command),
        Step::State(command) => empty.with(command),
        Step::Remove(command) => empty.with(command),
        Step::Feature(command) => empty.with(command),
        Step::Retire(jobs, pause_ms) => {
            *now_ms += pause_ms;
            let command = RetireJobs { jobs: jobs.clone(), now_ms: *now_ms, keep_ms: 1_000 };
            Entry::new(JobId(0), Token(0), *now_ms).with(&command)
        }
        Step::Plan { job, out, into, seen } => {
            let set_index = directory.job(JobId(*job)).filter(|_| *seen).map_or(1, |row| row.set_index);
            let (out, into) = (MemberNumber(*out), MemberNumber(*into));
            empty.with(&PlanReplace { job: JobId(*job), set_index, out, into })
        }
        Step::Renew { job, at, seen } => {
            let row = directory.job(JobId(*job));
            let set_index = row.filter(|_| *seen).map_or(1, |row| row.set_index);
            let out = row.and_then(|row| row.replicas.get(*at)).copied().unwrap_or(RaftId(0));
            empty.with(&RenewReplica { job: JobId(*job), set_index, out })
        }
        Step::Confirm(job) => {
            let plan = directory.job(JobId(*job)).and_then(|row| row.plan);
            let Plan { out, into } = plan.unwrap_or(Plan { out: RaftId(0), into: RaftId(1) });
            empty.with(&ConfirmReplace { job: JobId(*job), out, into })
        }
    };
    entry.unwrap().encode().unwrap()
}

fn check(directory: &Directory) {
    let mut keys = BTreeMap::new();
    let mut held: BTreeMap<MemberNumber, u32> = BTreeMap::new();
    for row in directory.jobs() {
        assert!(directory.tombstone(row.job).is_none(), "a job is also a tombstone");
        assert_eq!(directory.job_of_group(row.group), Some(row.job));
        row.holders().for_each(|member| *held.entry(member).or_default() += 1);
        let distinct: BTreeSet<_> = row.holders().collect();
        assert_eq!(distinct.len(), row.holders().count(), "two replicas on one member");
        if let Some(key) = &row.key {
            assert_eq!(keys.insert(Fingerprint::of_key(key), row.job), None, "a key names two jobs");
        }
    }
    for row in directory.retired.in_order() {
        if let Some(key) = row.key {
            assert_eq!(keys.insert(key, row.job), None, "a key names two jobs");
        }
    }
    assert_eq!(directory.keys.iter().map(|(key, job)| (*key, *job)).collect::<BTreeMap<_, _>>(), keys);
    assert_eq!(
        directory.held.iter().map(|(member, count)| (*member, *count)).collect::<BTreeMap<_, _>>(),
        held
    );
    let present = directory.members().filter(|row| row.is_present() && row.dead_since_ms.is_none());
    let names: Vec<&str> = present.map(|row| row.name.as_str()).collect();
    assert_eq!(
        names.iter().collect::<BTreeSet<_>>().len(),
        names.len(),
        "a name belongs to two living members"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn replicas_and_restored_snapshots_agree_byte_for_byte(history in histories(), cut in 0..60_usize) {
        let mut first = Bench::of(4);
        let mut second = Bench::of(4).replica;
        let mut late: Option<Replica<Directory>> = None;
        for (at, step) in history.iter().enumerate() {
            if at == cut {
                late = Some(Replica::restore(&first.replica.encode().unwrap()).unwrap());
            }
            first.index += 1;
            let bytes = entry(first.replica.machine(), step, &mut first.now_ms);
            let reply = first.replica.apply(first.index, &bytes).unwrap();
            prop_assert_eq!(&reply, &second.apply(first.index, &bytes).unwrap());
            if let Some(late) = &mut late {
                prop_assert_eq!(&reply, &late.apply(first.index, &bytes).unwrap());
            }
            check(first.directory());
        }
        let bytes = first.replica.encode().unwrap();
        prop_assert_eq!(&bytes, &second.encode().unwrap());
        if let Some(late) = late {
            prop_assert_eq!(&bytes, &late.encode().unwrap());
        }
    }
}

//! Whatever is proposed in whatever order: the invariants of a job hold after every entry.

use std::collections::BTreeMap;

use muster_machine::{Entry, Machine as _, Replica};
use muster_wire::job::{CancelScope, JobStatus, WorkflowStatus};
use muster_wire::spec::Require;
use muster_wire::{NodeRef, Token, WorkflowIx};
use proptest::prelude::*;

use super::commands::*;
use super::fixture::*;
use super::state::GateJob;

const STATUSES: &[JobStatus] = JobStatus::ALL;
const DCS: &[&str] = &["a", "b", "c", "z"];

/// Any entry, as numbers: what, who, where, under which token, how much later.
#[derive(Clone, Debug)]
struct Step {
    what: u8,
    who: u8,
    place: usize,
    number: u64,
    later_ms: u64,
}

fn step() -> impl Strategy<Value = Step> {
    let parts =
        (0_u8..30, 1_u8..4, 0_usize..4, 0_u64..5, prop_oneof![Just(0_u64), Just(1_000), Just(40_000)]);
    parts.prop_map(|(what, who, place, number, later_ms)| Step { what, who, place, number, later_ms })
}

fn change(job: &GateJob) -> SetJob {
    SetJob::at(job.record.as_ref().map_or(0, |record| record.record_version))
}

fn status_of(step: &Step) -> JobStatus {
    STATUSES[(step.place * 5 + step.number as usize) % STATUSES.len()]
}

fn progress(job: &GateJob, step: &Step) -> SetJob {
    let dc_token = job.dc(DCS[step.place]).map_or(Token(1), |dc| dc.token);
    let workflows = vec![summary(step.who as u32 % 2, step.number as u32 % 3)];
    let said = DcSummaries { dc_token, status: JobStatus::Running, workflows };
    SetJob { progress: [(DCS[step.place].to_owned(), said)].into(), ..change(job) }
}

fn entry_of(job: &GateJob, step: &Step, at_ms: u64) -> Entry {
    let fenced = Token(job.token().0.saturating_sub(u64::from(step.number == 4)));
    let unfenced = Entry::new(job.job, Token(0), at_ms);
    let entry = Entry::new(job.job, fenced, at_ms);
    let (dc, who): (String, NodeRef) = (DCS[step.place].into(), node(step.who));
    let dc_token = Token(step.number);
    let built = match step.what {
        0 => Ok(bundle(job.job, spec(Require::All))),
        1 => unfenced.with(&change(job).to(status_of(step), "any")),
        2 => unfenced.with(&SetJob { cancel: Some(order(CancelScope::Job)), ..change(job) }),
        3 => unfenced.with(&SetJob {
            cancel: Some(order(CancelScope::Workflows(vec![WorkflowIx(0)]))),
            ..change(job)
        }),
        4 => entry.with(&SetJob {
            cancel_confirmed: Some(CancelConfirmed { dc, workflow_cancel: None, errors: vec![] }),
            ..change(job)
        }),
        5 => entry.with(&SetJob { refused: Some(Refusal { dc, why: "full".into() }), ..change(job) }),
        6 | 7 => entry.with(&progress(job, step)),
        8 => entry.with(&DeleteJob { requester: "x".into() }),
        9 => unfenced.with(&SetTargetDcs { dcs: names(&["a", "b", "c"]), wanted: step.number as u32 }),
        10 => entry.with(&AddTargetDc { dc, replaces: Some("a".into()), why: Why::Lost }),
        11 => entry.with(&AddTargetDc { dc, replaces: Some("b".into()), why: Why::Refused }),
        12 => entry.with(&SetDcResult { dc, dc_token, result: dc_result(status_of(step)) }),
        13 => {
            let result = workflow_result(WorkflowStatus::Completed);
            entry.with(&SetWorkflowDcResult { workflow: WorkflowIx(0), dc, dc_token, result })
        }
        14 => unfenced.with(&CleanupOldJobs { max_age_ms: 60_000, unsubmitted: false }),
        15 => unfenced.with(&AssumeGateLeadership { node: who }),
        16 => unfenced.with(&TakeoverGateLeadership { node: who, expected_token: fenced }),
        17 => entry.with(&ReleaseGateLeadership { node: who, successor: Some(node(2)) }),
        18 => unfenced.with(&ProcessLeadershipClaim { claimer: who, token: fenced.next() }),
        19 => entry.with(&UpdateDcManager {
            dc,
            dc_token,
            manager: who,
            manager_token: dc_token,
            mode: ManagerMode::Transfer,
        }),
        20 => entry.with(&lease(DCS[step.place], who, at_ms)),
        21 => entry.with(&ReleaseLease { dc, holder: who }),
        22 => unfenced.with(&SetFenceToken { token: dc_token }),
        23 => unfenced.with(&GateMembershipEvent { event: MemberEvent::Dead, node: who }),
        24 => entry.with(&ReleaseDcManagers {}),
        25 => unfenced.with(&removal(job, step)),
        _ => unfenced.with(&webhook(job, step)),
    };
    built.unwrap()
}

/// One of more webhooks than a job may have.
fn url(step: &Step) -> String {
    format!("http://hook/{}", step.number * 4 + step.place as u64)
}

/// Defines one, or moves its position up, at times beyond what there is.
fn webhook(job: &GateJob, step: &Step) -> SetCallback {
    let version = job.record.as_ref().map_or(0, |record| record.version);
    let from_version = (version + 1).saturating_sub(step.number);
    let change = if step.who == 1 { CallbackChange::Move } else { CallbackChange::Define };
    SetCallback { url: url(step), kinds: vec![], secret: vec![step.who], from_version, change }
}

fn removal(job: &GateJob, step: &Step) -> RemoveCallback {
    let delivered_through = job.callbacks.get(&url(step)).map_or(0, |known| known.delivered);
    let gave_up = (step.who == 1).then(|| "it never answers".to_owned());
    RemoveCallback { url: url(step), delivered_through, gave_up }
}

/// What must never be taken back.
#[derive(Default)]
struct Memory {
    token: u64,
    version: u64,
    ended: Option<JobStatus>,
    leaders: BTreeMap<u64, NodeRef>,
    results: BTreeMap<(String, u64), JobStatus>,
    dc_tokens: BTreeMap<String, u64>,
    delivered: BTreeMap<String, u64>,
    last_version: Option<u64>,
}

impl Memory {
    fn check(&mut self, job: &GateJob) {
        self.check_tokens(job);
        self.check_status(job);
        self.check_results(job);
        self.check_events(job);
        self.check_callbacks(job);
    }

    fn check_tokens(&mut self, job: &GateJob) {
        assert!(job.token().0 >= self.token, "the token fell");
        self.token = job.token().0;
        let Some(leader) = &job.leadership.leader else { return };
        let first = self.leaders.entry(self.token).or_insert_with(|| leader.clone());
        assert_eq!(first, leader, "two leaders under one token");
    }

    fn check_status(&mut self, job: &GateJob) {
        if let Some(ended) = self.ended {
            assert_eq!(job.status(), Some(ended), "terminal means terminal");
        }
        self.ended = job.status().filter(|status| status.is_terminal());
        let is_bare =
            job.record.is_none() && job.submission.is_none() && job.dcs.is_empty() && job.events.is_empty();
        assert!(job.tombstone.is_none() || is_bare, "a purged job is its tombstone");
    }

    fn check_results(&mut self, job: &GateJob) {
        for (name, dc) in &job.dcs {
            let token = self.dc_tokens.entry(name.clone()).or_default();
            assert!(dc.token.0 >= *token, "a datacenter's token fell");
            *token = dc.token.0;
            let Some((token, result)) = &dc.result else { continue };
            let first = self.results.entry((name.clone(), token.0)).or_insert(result.status);
            assert_eq!(*first, result.status, "two results under one datacenter token");
        }
    }

    fn check_events(&mut self, job: &GateJob) {
        let Some(record) = &job.record else { return };
        assert!(record.version >= self.version);
        self.version = record.version;
        let ids: Vec<u64> = job.events.iter().map(|event| event.version).collect();
        assert_eq!(ids.last(), Some(&record.version));
        assert!(ids.windows(2).all(|pair| pair[0] + 1 == pair[1]), "a gap between events");
    }
}

impl Memory {
    /// A position of a webhook that stays never falls, and nothing is told after the end.
    fn check_callbacks(&mut self, job: &GateJob) {
        assert!(job.callbacks.len() <= CALLBACKS_MAX, "too many webhooks");
        for (url, known) in &job.callbacks {
            let before = self.delivered.get(url).copied().unwrap_or(0);
            assert!(known.delivered >= before, "{url} went back");
        }
        self.delivered = job.callbacks.iter().map(|(url, known)| (url.clone(), known.delivered)).collect();
        let last =
            job.record.as_ref().filter(|record| record.status.is_terminal()).map(|record| record.version);
        let ended = self.last_version.filter(|_| last.is_some());
        assert!(ended.is_none_or(|ended| Some(ended) == last), "something was told after the end");
        self.last_version = last;
    }
}

/// Sequences to try: some in every test run, a long campaign where asked for.
fn cases() -> u32 {
    let wanted = std::env::var("MUSTER_PROPERTY_CASES").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_keeps_the_invariants(steps in proptest::collection::vec(step(), 1..60), cut in 0_usize..60) {
        let (mut first, mut second) = (Bench::blank(), Bench::blank());
        let mut third = Bench::blank().replica;
        let mut memory = Memory::default();
        for (at, step) in steps.iter().enumerate() {
            first.wait(step.later_ms);
            let entry = entry_of(first.job(), step, first.at_ms);
            let index = at as u64 + 2;
            let replies = (first.entry(entry.clone()), second.entry(entry.clone()));
            prop_assert_eq!(replies.0, replies.1);
            third.apply(index, &entry.encode().unwrap()).unwrap();
            if at == cut {
                third = Replica::restore(&third.encode().unwrap()).unwrap();
            }
            memory.check(first.job());
        }
        prop_assert_eq!(first.replica.encode().unwrap(), second.replica.encode().unwrap());
        prop_assert_eq!(first.replica.encode().unwrap(), third.encode().unwrap());
    }
}

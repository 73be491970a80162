use super::*;
use crate::{Apply, Table, command_table};
use muster_wire::Token;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counter {
    value: u64,
    applied: u64,
}

#[derive(Serialize, Deserialize)]
struct Add(u64);
#[derive(Serialize, Deserialize)]
struct Refuse(bool);

impl Apply<Counter> for Add {
    fn apply(self, state: &mut Counter, _: Stamp) -> Outcome {
        state.value += self.0;
        state.applied += 1;
        Outcome::applied(&state.value)
    }
}

impl Apply<Counter> for Refuse {
    fn apply(self, _: &mut Counter, _: Stamp) -> Outcome {
        match self.0 {
            true => Reason::Stale.into(),
            false => Reason::NotYet.into(),
        }
    }
}

command_table! { Counter:
    1 => Add, "add" -> u64 { guards: [] },
    2 => Refuse, "refuse" -> () { guards: [] },
}

impl Machine for Counter {
    const TIER: &'static str = "test";
    fn table() -> &'static Table<Self> {
        &COMMANDS
    }
    fn token(&self) -> Token {
        Token(0)
    }
    fn next_due_ms(&self) -> Option<u64> {
        None
    }
    fn retired(&self) -> Option<crate::Retired> {
        None
    }
    fn encode(&self) -> Result<Vec<u8>, CodecError> {
        muster_wire::encode(&(self.value, self.applied))
    }
    fn restore(bytes: &[u8]) -> Result<Self, CodecError> {
        muster_wire::decode(bytes).map(|(value, applied)| Self { value, applied })
    }
}

fn entry() -> Entry {
    Entry::new(JobId(1), Token(0), 100)
}

fn request(ms: u64) -> RequestId {
    RequestId::new(ms, u128::from(ms))
}

fn apply(replica: &mut Replica<Counter>, entry: &Entry) -> EntryReply {
    replica.apply(1, &entry.encode().unwrap()).unwrap()
}

#[test]
fn a_rejected_command_undoes_its_whole_entry() {
    let mut replica = Replica::<Counter>::default();
    let reply = apply(
        &mut replica,
        &entry().with(&Add(5)).unwrap().with(&Refuse(false)).unwrap().with(&Add(1)).unwrap(),
    );
    assert_eq!(replica.machine().value, 0);
    assert_eq!(reply.rejection(), Some(&Reason::NotYet));
    assert_eq!(reply.outcomes.len(), 3);
}

#[test]
fn a_stale_command_skips_only_itself() {
    let mut replica = Replica::<Counter>::default();
    let reply = apply(&mut replica, &entry().with(&Refuse(true)).unwrap().with(&Add(1)).unwrap());
    assert_eq!((replica.machine().value, reply.undone_by), (1, None));
}

#[test]
fn a_repeated_client_request_gets_the_first_outcome_and_changes_nothing() {
    let mut replica = Replica::<Counter>::default();
    let entry = entry().for_request(request(5)).with(&Add(2)).unwrap();
    let first = apply(&mut replica, &entry);
    let restored = Replica::<Counter>::restore(&replica.encode().unwrap()).unwrap();
    for mut replica in [replica, restored] {
        assert_eq!(apply(&mut replica, &entry), first);
        assert_eq!(replica.machine().applied, 1);
    }
}

#[test]
fn a_request_older_than_the_window_is_too_old_instead_of_applied_again() {
    let mut replica = Replica::<Counter>::default();
    for ms in 1..=(ANSWERS_MAX as u64 + 1) {
        apply(&mut replica, &entry().for_request(request(ms)).with(&Add(1)).unwrap());
    }
    let reply = apply(&mut replica, &entry().for_request(request(1)).with(&Add(1)).unwrap());
    assert_eq!(reply.rejection(), Some(&Reason::TooOld));
    assert_eq!(replica.machine().applied, ANSWERS_MAX as u64 + 1);
}

#[test]
fn an_entry_of_a_newer_feature_stops_the_replica() {
    let mut newer = entry();
    newer.feature = FEATURE + 1;
    let outcome = Replica::<Counter>::default().apply(9, &newer.encode().unwrap());
    assert_eq!(outcome, Err(ReplicaError::FeatureAhead { index: 9, needed: FEATURE + 1 }));
}

#[test]
fn unknown_tags_and_garbage_are_rejected_identically_everywhere() {
    let mut replica = Replica::<Counter>::default();
    let mut unknown = entry();
    unknown.commands.push(Envelope { tag: 99, body: vec![1] });
    assert!(matches!(apply(&mut replica, &unknown).rejection(), Some(Reason::Malformed { .. })));
    assert!(matches!(
        replica.apply(2, b"\xff\x00garbage").unwrap().rejection(),
        Some(Reason::Malformed { .. })
    ));
}

#[test]
fn replicated_time_never_falls() {
    let mut replica = Replica::<Counter>::default();
    apply(&mut replica, &entry().with(&Add(1)).unwrap());
    let mut earlier = entry();
    earlier.at_ms = 50;
    apply(&mut replica, &earlier);
    assert_eq!(replica.at_ms(), 100);
}

use std::sync::Arc;

use proptest::prelude::*;

use muster_wire::{Generation, NodeId};

use super::*;
use crate::model::{LeaveReason, Meta, State};

fn record(id: u128, meta: Option<Meta>) -> Record {
    Record {
        id: NodeId(id),
        generation: Generation(1),
        incarnation: 2,
        state: State::Suspect,
        meta_version: 300,
        by: Some(NodeId(9)),
        reason: Some(LeaveReason::Upgrade),
        meta: meta.map(Arc::new),
    }
}

fn messages() -> Vec<Message> {
    let (seq, about, generation) = (300, NodeId(7), Generation(u64::MAX));
    let (buckets, mask, proof) = (64, u64::MAX, 5);
    vec![
        Message::Ping { seq },
        Message::Ack { seq, stranger: false },
        Message::Ack { seq, stranger: true },
        Message::PingReq { seq, target: about },
        Message::Relayed { seq, about, generation },
        Message::Nack { seq, about },
        Message::Gossip,
        Message::Digest { digests: vec![1, 2] },
        Message::Differ { buckets, mask, proof },
        Message::Pull { buckets, mask, proof },
        Message::View,
    ]
}

fn read_all(bytes: &[u8]) -> Result<(Message, Vec<Record>), Refusal> {
    let (message, records) = open(bytes)?;
    Ok((message, records.collect::<Result<_, _>>()?))
}

#[test]
fn a_body_comes_back_as_it_was_written() {
    for message in messages() {
        let mut writer = Writer::new(&message);
        let records = [record(7, Some(Meta::default())), record(8, None)];
        assert!(records.iter().all(|record| writer.push(record)));
        assert_eq!(read_all(&writer.finish()).unwrap(), (message, records.to_vec()));
    }
}

#[test]
fn a_body_never_grows_over_its_limit() {
    let mut writer = Writer::new(&Message::Gossip);
    let pushed = (0..100).filter(|id| writer.push(&record(*id, Some(Meta::default())))).count();
    let bytes = writer.finish();
    assert!(bytes.len() <= BODY_BYTES_MAX && pushed >= 4);
    assert_eq!(read_all(&bytes).unwrap().1.len(), pushed);
}

#[test]
fn two_of_the_longest_metadata_fit_into_one_body() {
    let mut meta = Meta::default();
    while (Meta { name: format!("{}x", meta.name), ..meta.clone() }).fits() {
        meta.name.push('x');
    }
    let mut writer = Writer::new(&Message::Digest { digests: vec![1] });
    assert!((0..2).all(|id| writer.push(&record(id, Some(meta.clone())))));
}

#[test]
fn a_record_that_cannot_be_read_does_not_spoil_the_others() {
    let mut bytes = Writer::new(&Message::Gossip).finish();
    bytes.extend_from_slice(b"\x03xyz");
    let good = record(8, None).encoded().unwrap();
    bytes.push(good.len() as u8);
    bytes.extend(good);
    let (_, records) = open(&bytes).unwrap();
    assert_eq!(records.collect::<Vec<_>>(), [Err(Refusal::Malformed), Ok(record(8, None))]);
}

#[test]
fn bytes_of_a_later_version_after_a_record_are_ignored() {
    let mut part = record(8, None).encoded().unwrap();
    part.extend_from_slice(b"later");
    assert_eq!(Record::decoded(&part), Some(record(8, None)));
}

#[test]
fn metadata_over_the_limit_is_neither_sent_nor_taken_in() {
    let long = Meta { name: "x".repeat(600), ..Meta::default() };
    assert_eq!(record(8, Some(long.clone())).encoded(), None);
    let mut part = record(8, Some(Meta::default())).encoded().unwrap();
    part.truncate(record(8, None).encoded().unwrap().len());
    part.extend(muster_wire::encode(&long).unwrap());
    assert_eq!(Record::decoded(&part), None);
}

#[test]
fn strange_numbers_of_buckets_are_malformed() {
    for buckets in [0, 3, 128] {
        let body = Writer::new(&Message::Pull { buckets, mask: 1, proof: 1 }).finish();
        assert_eq!(read_all(&body), Err(Refusal::Malformed));
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_break_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..1600)) {
        let _ = read_all(&bytes);
    }

    #[test]
    fn a_damaged_body_never_breaks_the_decoder(at in 0_usize..400, value in any::<u8>()) {
        let mut writer = Writer::new(&Message::Gossip);
        writer.push(&record(7, Some(Meta::default())));
        writer.push(&record(8, None));
        let mut bytes = writer.finish();
        let at = at % bytes.len();
        bytes[at] = value;
        let _ = read_all(&bytes);
    }
}

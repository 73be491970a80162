use std::sync::Arc;

use proptest::prelude::*;

use muster_wire::{Generation, NodeId};

use super::*;

const CLUSTER: &str = "test";

fn envelope() -> Envelope {
    Envelope { from: NodeId(1), generation: Generation(2), message: Message::Ping { seq: 3, to: NodeId(4) } }
}

fn record(id: u128, meta: Option<Meta>) -> Record {
    Record {
        id: NodeId(id),
        generation: Generation(1),
        incarnation: 2,
        state: State::Alive,
        reason: None,
        meta_version: 3,
        meta: meta.map(Arc::new),
    }
}

/// A packet with a right header around any body.
pub(crate) fn sealed(cluster: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![b'm', b'S', b'W', 1, 0, 0, 0, 0];
    bytes.extend_from_slice(&cluster_hash(cluster).to_be_bytes());
    bytes.extend_from_slice(body);
    Writer { bytes }.finish()
}

fn read_all(bytes: &[u8]) -> Result<(Envelope, Vec<Record>), Refusal> {
    let (envelope, records) = open(bytes, cluster_hash(CLUSTER))?;
    Ok((envelope, records.collect::<Result<_, _>>()?))
}

#[test]
fn a_packet_comes_back_as_it_was_written() {
    let mut writer = Writer::new(cluster_hash(CLUSTER), &envelope()).unwrap();
    let records = [record(7, Some(Meta::default())), record(8, None)];
    assert!(records.iter().all(|record| writer.push(record)));
    assert_eq!(read_all(&writer.finish()).unwrap(), (envelope(), records.to_vec()));
}

#[test]
fn a_packet_never_grows_over_its_limit() {
    let mut writer = Writer::new(cluster_hash(CLUSTER), &envelope()).unwrap();
    let pushed = (0..100).filter(|id| writer.push(&record(*id, Some(Meta::default())))).count();
    let bytes = writer.finish();
    assert!(bytes.len() <= PACKET_BYTES_MAX && pushed >= 4);
    assert_eq!(read_all(&bytes).unwrap().1.len(), pushed);
}

#[test]
fn two_of_the_longest_metadata_fit_into_one_packet() {
    let mut meta = Meta::default();
    while (Meta { name: format!("{}x", meta.name), ..meta.clone() }).fits() {
        meta.name.push('x');
    }
    let mut writer = Writer::new(cluster_hash(CLUSTER), &envelope()).unwrap();
    assert!((0..2).all(|id| writer.push(&record(id, Some(meta.clone())))));
}

#[test]
fn foreign_damaged_and_strange_packets_are_told_apart() {
    let good = Writer::new(cluster_hash(CLUSTER), &envelope()).unwrap().finish();
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        read_all(&bytes).unwrap_err()
    };
    assert_eq!(changed(0), Refusal::Foreign);
    assert_eq!(changed(3), Refusal::Version);
    assert_eq!(changed(5), Refusal::Checksum);
    assert_eq!(changed(20), Refusal::Checksum);
    assert_eq!(open(&good, cluster_hash("other")).err(), Some(Refusal::Cluster));
    assert_eq!(read_all(&good[..12]).unwrap_err(), Refusal::Checksum);
    assert_eq!(read_all(&vec![0; PACKET_BYTES_MAX + 1]).unwrap_err(), Refusal::TooLong);
}

#[test]
fn a_record_that_cannot_be_read_does_not_spoil_the_others() {
    let mut writer = Writer::new(cluster_hash(CLUSTER), &envelope()).unwrap();
    assert!(writer.push_part(b"\xc1nonsense") && writer.push(&record(8, None)));
    let bytes = writer.finish();
    let (_, records) = open(&bytes, cluster_hash(CLUSTER)).unwrap();
    assert_eq!(records.collect::<Vec<_>>(), [Err(Refusal::Malformed), Ok(record(8, None))]);
}

#[test]
fn metadata_over_the_limit_is_not_taken_in() {
    let mut writer = Writer::new(cluster_hash(CLUSTER), &envelope()).unwrap();
    assert!(writer.push(&record(8, Some(Meta { name: "x".repeat(600), ..Meta::default() }))));
    assert_eq!(read_all(&writer.finish()).unwrap_err(), Refusal::Malformed);
}

#[test]
fn fields_of_a_later_version_are_ignored() {
    let later = serde_json::json!({ "i": 0, "extra": [1, 2], "f": vec![0_u8; 16], "g": 2, "m": { "G": { "more": 1 } } });
    let body = muster_wire::encode(&later).unwrap();
    let mut part = (body.len() as u16).to_be_bytes().to_vec();
    part.extend(body);
    let bytes = sealed(CLUSTER, &part);
    let (envelope, _) = open(&bytes, cluster_hash(CLUSTER)).unwrap();
    assert_eq!(envelope.message, Message::Gossip {});
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_break_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..1600)) {
        let _ = read_all(&bytes);
        let _ = read_all(&sealed(CLUSTER, &bytes));
    }

    #[test]
    fn damaged_content_with_a_right_checksum_never_breaks_the_decoder(at in 16_usize..400, value in any::<u8>()) {
        let mut writer = Writer::new(cluster_hash(CLUSTER), &envelope()).unwrap();
        writer.push(&record(7, Some(Meta::default())));
        writer.push(&record(8, None));
        let mut bytes = writer.finish();
        let at = at % (bytes.len() - 16) + 16;
        bytes[at] = value;
        let _ = read_all(&sealed(CLUSTER, &bytes[16..]));
    }
}

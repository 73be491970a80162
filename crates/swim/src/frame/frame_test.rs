use proptest::prelude::*;

use super::*;
use crate::frame::replay::SENDERS_MAX;

const KEY_A: &str = "1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const KEY_B: &str = "2 ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn sender(id: u128) -> Sender {
    Sender { id: NodeId(id), generation: Generation(3) }
}

fn ring(keys: &[&str]) -> KeyRing {
    KeyRing::parse(&keys.join("\n")).unwrap()
}

fn framer(id: u128, keys: KeyRing) -> Framer {
    Framer::new(sender(id), "test", (keys, 1000))
}

fn pair() -> (Framer, Framer) {
    (framer(1, ring(&[KEY_A])), framer(2, ring(&[KEY_A])))
}

fn to(id: u128) -> Envelope {
    Envelope { to: Some(NodeId(id)), is_short: false }
}

fn open(framer: &mut Framer, packet: &[u8]) -> Result<(Sender, Vec<u8>), Refusal> {
    framer.unwrap(packet, |_| None)
}

#[test]
fn a_packet_opens_once_and_only_where_it_is_meant_to() {
    let (mut one, mut two) = pair();
    let packet = one.wrap(to(2), b"hello");
    assert_eq!(open(&mut framer(3, ring(&[KEY_A])), &packet), Err(Refusal::Seal));
    assert_eq!(open(&mut Framer::new(sender(2), "other", (ring(&[KEY_A]), 0)), &packet), Err(Refusal::Seal));
    assert_eq!(open(&mut two, &packet), Ok((sender(1), b"hello".to_vec())));
    assert_eq!(open(&mut two, &packet), Err(Refusal::Replay));
    assert_eq!(open(&mut one, &packet), Err(Refusal::Own));
    assert_eq!(packet.len(), to(2).sealed_bytes() + 5);
}

#[test]
fn an_unaddressed_packet_opens_at_any_node_of_the_cluster() {
    let (mut one, mut two) = pair();
    let packet = one.wrap(Envelope { to: None, is_short: false }, b"hello");
    assert!(open(&mut two, &packet).is_ok() && open(&mut framer(3, ring(&[KEY_A])), &packet).is_ok());
}

#[test]
fn an_alias_is_enough_among_those_who_know_the_sender() {
    let (mut one, mut two) = pair();
    let packet = one.wrap(Envelope { to: Some(NodeId(2)), is_short: true }, b"hello");
    assert_eq!(packet.len(), 14 + 16 + 5);
    assert_eq!(open(&mut two, &packet), Err(Refusal::Stranger));
    assert_eq!(two.unwrap(&packet, |_| Some(sender(9))), Err(Refusal::Seal));
    let known = two.unwrap(&packet, |alias| (alias == sender(1).alias()).then_some(sender(1)));
    assert_eq!(known, Ok((sender(1), b"hello".to_vec())));
}

#[test]
fn every_damaged_bit_is_found() {
    for keys in [ring(&[KEY_A]), KeyRing::default()] {
        let packet = framer(1, keys.clone()).wrap(to(2), b"hello");
        for bit in 0..packet.len() * 8 {
            let mut damaged = packet.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&mut framer(2, keys.clone()), &damaged).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn plain_and_sealed_nodes_do_not_hear_each_other() {
    let plain = framer(1, KeyRing::default()).wrap(to(2), b"hello");
    let sealed = framer(1, ring(&[KEY_A])).wrap(to(2), b"hello");
    assert_eq!(open(&mut framer(2, ring(&[KEY_A])), &plain), Err(Refusal::Key));
    assert_eq!(open(&mut framer(2, KeyRing::default()), &sealed), Err(Refusal::Key));
    assert_eq!(open(&mut framer(2, ring(&[KEY_B])), &sealed), Err(Refusal::Key));
    assert!(!sealed.windows(5).any(|window| window == b"hello"));
}

#[test]
fn a_key_is_changed_without_a_pause() {
    let steps = [ring(&[KEY_A]), ring(&[KEY_A, KEY_B]), ring(&[KEY_B, KEY_A]), ring(&[KEY_B])];
    let (mut one, mut two) = pair();
    for step in steps {
        one.set_keys(step.clone());
        let (there, back) = (one.wrap(to(2), b"1"), two.wrap(to(1), b"2"));
        assert!(open(&mut two, &there).is_ok() && open(&mut one, &back).is_ok());
        two.set_keys(step);
        let (there, back) = (one.wrap(to(2), b"1"), two.wrap(to(1), b"2"));
        assert!(open(&mut two, &there).is_ok() && open(&mut one, &back).is_ok());
    }
    let old = framer(3, ring(&[KEY_A])).wrap(to(2), b"old");
    assert_eq!(open(&mut two, &old), Err(Refusal::Key));
}

#[test]
fn packets_may_overtake_each_other_within_the_window_and_not_beyond_it() {
    let (mut one, mut two) = pair();
    let packets: Vec<_> = (0..1100).map(|_| one.wrap(to(2), b"x")).collect();
    assert!(open(&mut two, &packets[1099]).is_ok());
    assert!((76..1099).rev().all(|at| open(&mut two, &packets[at]).is_ok()));
    assert!((76..1100).all(|at| open(&mut two, &packets[at]) == Err(Refusal::Replay)));
    assert_eq!(open(&mut two, &packets[75]), Err(Refusal::Replay));
}

#[test]
fn a_new_process_begins_anew_and_the_old_one_is_not_heard_any_more() {
    let (mut one, mut two) = pair();
    let old = [one.wrap(to(2), b"x"), one.wrap(to(2), b"x")];
    assert!(open(&mut two, &old[0]).is_ok());
    let next = Sender { generation: Generation(4), ..sender(1) };
    let mut again = Framer::new(next, "test", (ring(&[KEY_A]), 0));
    assert_eq!(open(&mut two, &again.wrap(to(2), b"y")), Ok((next, b"y".to_vec())));
    assert_eq!(open(&mut two, &old[1]), Err(Refusal::Replay));
}

#[test]
fn the_windows_are_bounded() {
    let mut windows = Windows::default();
    for id in 0..SENDERS_MAX as u128 + 100 {
        windows.note(sender(id), id as u64);
    }
    assert_eq!(windows.len(), SENDERS_MAX);
    assert!(windows.is_seen(sender(SENDERS_MAX as u128), SENDERS_MAX as u64));
}

#[test]
fn a_wrong_key_file_says_which_line_is_wrong() {
    let error = |text: &str| KeyRing::parse(text).unwrap_err();
    assert_eq!(error("# none\n"), KeyRingError::Count { found: 0 });
    assert_eq!(error(&format!("{KEY_A}\n3 abc")), KeyRingError::Line { line: 2 });
    assert_eq!(error(&format!("{KEY_A}\n{KEY_A}")), KeyRingError::Repeated { line: 2, id: 1 });
    assert_eq!(ring(&[KEY_B, "", KEY_A]).ids(), [2, 1]);
    assert_eq!(format!("{:?}", ring(&[KEY_B])), "[2]");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_break_the_framer(bytes in proptest::collection::vec(any::<u8>(), 0..1600)) {
        let (_, mut two) = pair();
        prop_assert!(open(&mut two, &bytes).is_err());
        prop_assert!(framer(2, KeyRing::default()).unwrap(&bytes, |_| Some(sender(1))).is_err());
    }
}

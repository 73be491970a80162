use muster_wire::rpc::raft::{GroupFrame, StoredMembers, VoteFor};
use muster_wire::{GroupId, Incarnation, JobId, MemberNumber, RaftId};

use super::*;

const STATE: &[u8] = b"the whole state";

/// The piece of the leader of `term` that begins at `offset`.
fn piece(term: u64, offset: usize, end: usize) -> RaftSnapshot {
    let me = RaftId::new(MemberNumber(1), Incarnation(0));
    RaftSnapshot {
        frame: GroupFrame {
            group: GroupId(7),
            job: JobId(7),
            target: me,
            sender: me,
            set_index: 1,
            birth: None,
        },
        vote: VoteFor { term, node: me.0, committed: true },
        last: None,
        membership: StoredMembers::default(),
        total: STATE.len() as u64,
        offset: offset as u64,
        bytes: Bytes::from_static(&STATE[offset..end]),
    }
}

fn part(slot: &mut Option<Pieces>, call: &RaftSnapshot) -> Option<u64> {
    match gather(slot, call).unwrap() {
        Gathered::Part(have) => Some(have),
        Gathered::Whole(..) => None,
    }
}

#[test]
fn a_snapshot_that_is_sent_again_goes_on_where_it_was_broken_off() {
    let mut slot = None;
    assert_eq!(part(&mut slot, &piece(1, 0, 4)), Some(4));
    assert_eq!(part(&mut slot, &piece(1, 4, 9)), Some(9));
    assert_eq!(
        part(&mut slot, &piece(1, 0, 4)),
        Some(9),
        "the next try begins at the beginning, and is told"
    );
    match gather(&mut slot, &piece(1, 9, STATE.len())).unwrap() {
        Gathered::Whole(_, state) => assert_eq!(state, STATE),
        Gathered::Part(have) => panic!("only {have} bytes"),
    }
    assert!(slot.is_none());
}

#[test]
fn another_leaders_snapshot_begins_anew() {
    let mut slot = None;
    part(&mut slot, &piece(1, 0, 9));
    assert_eq!(part(&mut slot, &piece(2, 9, 12)), Some(0));
    assert_eq!(part(&mut slot, &piece(2, 0, 4)), Some(4));
}

#[test]
fn a_piece_beyond_the_end_is_refused() {
    let call = RaftSnapshot { total: 3, ..piece(1, 0, 4) };
    assert!(matches!(gather(&mut None, &call), Err(RpcError::Malformed(_))));
}

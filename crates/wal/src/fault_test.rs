//! Full disks, failing syncs, short writes and rotten bits.

use std::{
    io::{self, ErrorKind},
    sync::{Arc, mpsc},
    time::Duration,
};

use bytes::Bytes;
use tempfile::tempdir;

use crate::{
    Damage, Entry, Eviction, GroupError, GroupLog, Level, OpenError, Options, ReadError, Snapshot, Wal,
    WalError,
    disk::write_whole,
    testing::{SimDisk, all, done, entries, key, log_id, open, small, vote},
};

fn append(log: &GroupLog, range: std::ops::Range<u64>) -> Result<(), WalError> {
    let (tell, answer) = done();
    log.append(entries(1, range), tell)?;
    answer.wait()
}

/// Waits for a level with a deadline.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let (_keep, never) = mpsc::channel::<()>();
    let mut left = 12_000;
    while !is_so() {
        left -= 1;
        assert!(left > 0, "{what}");
        let _ = never.recv_timeout(Duration::from_millis(5));
    }
}

#[test]
fn r7_a_full_disk_refuses_entries_but_not_votes_and_removals_and_heals_by_itself() {
    let disk = SimDisk::default();
    let options = Options { segment_bytes: 256 << 10, budget_bytes: 64 << 20, ..small() };
    let wal = open(&disk, options);
    let log = wal.open_group(key(1, 1)).unwrap();
    append(&log, 0..1).unwrap();
    disk.set_quota(Some(disk.used() + (300 << 10)));
    let mut next = 1;
    let refused = loop {
        match append(&log, next..next + 1) {
            Ok(()) => next += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, WalError::Busy { .. }), "{refused}");
    assert_eq!(wal.level(), Level::Reject);
    let (tell, answer) = done();
    log.save_vote(vote(9), tell).unwrap();
    answer.wait().unwrap();
    log.purge(log_id(1, 0)).unwrap();
    let (tell, answer) = done();
    wal.remove_group(key(2, 1), tell).unwrap();
    answer.wait().unwrap();
    assert!(wal.failed().is_none());

    disk.set_quota(None);
    until("there is room again", || wal.level() == Level::Accept);
    append(&log, next..next + 1).unwrap();
    drop(log);
    wal.close().unwrap();
    let wal = open(&disk, small());
    assert_eq!(all(&wal.open_group(key(1, 1)).unwrap()), entries(1, 1..next + 1));
}

#[test]
fn r6_after_the_first_failed_sync_nothing_is_written_and_the_directory_stays_locked() {
    let dir = tempdir().unwrap();
    let disk = SimDisk::default();
    let wal = open(&disk, small());
    let log = wal.open_group(key(1, 1)).unwrap();
    append(&log, 0..1).unwrap();
    disk.fail_after(1);
    assert!(matches!(append(&log, 1..2), Err(WalError::Failed { .. })));
    let calls = disk.calls();
    assert!(matches!(append(&log, 2..3), Err(WalError::Failed { .. })));
    assert!(wal.close().is_err());
    assert_eq!(disk.calls(), calls, "the sync was not tried again and nothing else was");

    let lock = crate::dir_lock::DirLock::take(dir.path()).unwrap();
    lock.keep_for_ever();
    assert!(matches!(Wal::open(dir.path(), small()), Err(OpenError::Locked)));
}

#[test]
fn r15_a_bit_that_rots_while_the_log_is_open_is_found_by_the_next_read() {
    let disk = SimDisk::default();
    let wal = open(&disk, Options { cache_bytes: 0, ..small() });
    let log = wal.open_group(key(1, 1)).unwrap();
    append(&log, 0..2).unwrap();
    until("the entries are on disk only", || !log.reader().is_in_memory(&(0..2)));
    assert_eq!(all(&log), entries(1, 0..2));
    let bytes = &disk.files()["wal-0000000000000001.seg"];
    let at = bytes.windows(14).position(|window| window == b"term 1 index 1").unwrap();
    disk.rot("wal-0000000000000001.seg", at);
    assert_eq!(log.reader().entries(0..1, 1).unwrap(), entries(1, 0..1));
    assert!(matches!(log.reader().entries(1..2, 1), Err(ReadError::Corrupt { segment: 1, index: 1, .. })));
}

#[test]
fn damage_found_while_copying_ends_the_group_for_ever_and_no_other() {
    let disk = SimDisk::default();
    let options = Options { cache_bytes: 0, ..small() };
    let wal = open(&disk, options.clone());
    let quiet = wal.open_group(key(1, 1)).unwrap();
    append(&quiet, 0..2).unwrap();
    let bytes = &disk.files()["wal-0000000000000001.seg"];
    let at = bytes.windows(14).position(|window| window == b"term 1 index 1").unwrap();
    disk.rot("wal-0000000000000001.seg", at);
    let loud = wal.open_group(key(2, 1)).unwrap();
    let mut next = 0;
    until("the oldest segment is copied", || {
        append(&loud, next..next + 1).unwrap();
        loud.purge(log_id(1, next)).unwrap();
        next += 1;
        !wal.damaged().is_empty()
    });
    assert!(matches!(append(&quiet, 2..3), Err(WalError::Damaged)));
    assert_eq!(wal.damaged()[0].key, key(1, 1));
    append(&loud, next..next + 1).unwrap();
    drop((quiet, loud));
    wal.close().unwrap();
    let wal = open(&disk, options);
    assert!(matches!(wal.open_group(key(1, 1)), Err(GroupError::Damaged(Damage { .. }))));
    assert_eq!(wal.open_group(key(2, 1)).unwrap().reader().last(), Some(log_id(1, next)));
}

#[test]
fn r16_interrupted_and_short_writes_are_finished_and_a_write_of_nothing_is_an_error() {
    let mut written = Vec::new();
    let mut turn = 0;
    write_whole(10, b"abcdefg", |offset, bytes| {
        turn += 1;
        match turn % 3 {
            0 => Err(ErrorKind::Interrupted.into()),
            part => {
                assert_eq!(offset, 10 + written.len() as u64);
                written.extend_from_slice(&bytes[..part.min(bytes.len())]);
                Ok(part.min(bytes.len()))
            }
        }
    })
    .unwrap();
    assert_eq!(written, b"abcdefg");
    let nothing = write_whole(0, b"a", |_, _| Ok(0)).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WriteZero);
    let broken = write_whole(0, b"a", |_, _| Err(io::Error::other("injected")));
    assert!(broken.is_err());
}

#[test]
fn r11_a_held_lock_is_refused_and_so_is_the_log_of_another_node() {
    let dir = tempdir().unwrap();
    let wal = Wal::open(dir.path(), small()).unwrap();
    append(&wal.open_group(key(1, 1)).unwrap(), 0..1).unwrap();
    assert!(matches!(Wal::open(dir.path(), small()), Err(OpenError::Locked)));
    wal.close().unwrap();
    let copied = Wal::open(dir.path(), Options::new([8; 16]));
    assert!(matches!(copied, Err(OpenError::WrongNode { found }) if found == [7; 16]));
}

#[test]
fn r12_a_vote_is_on_disk_when_its_callback_runs() {
    let disk = SimDisk::default();
    let wal = open(&disk, small());
    let log = wal.open_group(key(1, 1)).unwrap();
    let (tell, answer) = done();
    log.save_vote(vote(5), tell).unwrap();
    answer.wait().unwrap();
    let lost = disk.crash_to(0, |_| crate::testing::Fate::Old);
    let wal = open(&lost, small());
    assert_eq!(wal.open_group(key(1, 1)).unwrap().reader().vote(), Some(vote(5)));
}

#[test]
fn a_byte_bounded_cache_keeps_the_newest_entries_and_older_ones_come_from_disk() {
    let options = Options { cache_bytes: 4000, ..small() };
    let (wal, mut driver) = Wal::open_driven(Arc::new(SimDisk::default()), options).unwrap();
    let log = wal.open_group(key(1, 1)).unwrap();
    // By hand: the writer's thread tells who waits before it makes room.
    let append = |index| {
        let (tell, answer) = done();
        log.append(entries(1, index..index + 1), tell).unwrap();
        assert!(driver.step());
        answer.wait().unwrap();
    };
    (0..200).for_each(append);
    let reader = log.reader();
    assert!(reader.is_in_memory(&(199..200)) && !reader.is_in_memory(&(0..1)));
    assert!(wal.stats().cache_bytes <= 4000, "{:?}", wal.stats());
    assert_eq!(all(&log), entries(1, 0..200));
    assert_eq!(reader.entries(5..9, 20).unwrap(), entries(1, 5..6));
}

#[test]
fn a_group_that_nobody_has_open_keeps_what_is_not_on_disk_alone_in_memory() {
    let (wal, mut driver) = Wal::open_driven(Arc::new(SimDisk::default()), small()).unwrap();
    let log = wal.open_group(key(1, 1)).unwrap();
    log.append(entries(1, 0..3), Box::new(drop)).unwrap();
    assert!(driver.step());
    log.append(entries(1, 3..4), Box::new(drop)).unwrap();
    let reader = log.reader();
    drop(log);
    assert!(reader.is_in_memory(&(3..4)) && !reader.is_in_memory(&(2..4)));
    assert!(driver.step());
    let log = wal.open_group(key(1, 1)).unwrap();
    assert_eq!(all(&log), entries(1, 0..4));
    drop(log);
    assert_eq!(wal.stats().cache_bytes, 0);
}

#[test]
fn a_barrier_is_told_with_what_came_before_it_and_alone_when_that_is_durable_already() {
    let (wal, mut driver) = Wal::open_driven(Arc::new(SimDisk::default()), small()).unwrap();
    let log = wal.open_group(key(1, 1)).unwrap();
    let ((entries_tell, entries_told), (tell, told)) = (done(), done());
    log.append(entries(1, 0..3), entries_tell).unwrap();
    wal.barrier(tell).unwrap();
    assert!(told.poll().is_none());
    driver.step();
    assert!(entries_told.poll().is_some_and(|result| result.is_ok()));
    assert!(told.poll().is_some_and(|result| result.is_ok()));
    let (tell, told) = done();
    wal.barrier(tell).unwrap();
    driver.step();
    assert!(told.poll().is_some_and(|result| result.is_ok()));
}

#[test]
fn snapshots_and_evictions_are_noted_until_newer_ones_or_entries() {
    let disk = SimDisk::default();
    let wal = open(&disk, small());
    let log = wal.open_group(key(1, 1)).unwrap();
    append(&log, 0..1).unwrap();
    let snapshot = Snapshot { id: log_id(1, 0), meta: Bytes::from_static(b"three") };
    wal.note_snapshot(key(1, 1), snapshot.clone()).unwrap();
    let eviction = Eviction { due_ms: Some(77) };
    wal.note_eviction(key(1, 1), log_id(1, 7), Eviction { due_ms: None }).unwrap();
    assert_eq!(wal.summary(key(1, 1)).unwrap().eviction, None, "its log does not end there");
    wal.note_eviction(key(1, 1), log_id(1, 0), eviction).unwrap();
    assert!(matches!(wal.note_snapshot(key(9, 1), snapshot.clone()), Err(WalError::Removed)));
    drop(log);
    wal.close().unwrap();

    let wal = open(&disk, small());
    assert_eq!(wal.summary(key(1, 1)).unwrap().eviction, Some(eviction));
    let log = wal.open_group(key(1, 1)).unwrap();
    assert_eq!(log.reader().snapshot(), Some(snapshot));
    append(&log, 1..2).unwrap();
    assert_eq!(wal.summary(key(1, 1)).unwrap().eviction, None);
    drop(log);
    wal.close().unwrap();
    assert_eq!(open(&disk, small()).summary(key(1, 1)).unwrap().eviction, None);
}

#[test]
fn what_the_host_condemns_is_damaged_for_ever_and_the_others_go_on() {
    let disk = SimDisk::default();
    let wal = open(&disk, small());
    let (bad, good) = (wal.open_group(key(1, 1)).unwrap(), wal.open_group(key(2, 1)).unwrap());
    append(&bad, 0..3).unwrap();
    append(&good, 0..3).unwrap();
    wal.condemn(key(1, 1), "its snapshot is missing").unwrap();
    assert!(matches!(append(&bad, 3..4), Err(WalError::Damaged)));
    append(&good, 3..4).unwrap();
    drop((bad, good));
    wal.close().unwrap();

    let wal = open(&disk, small());
    let damaged = wal.damaged();
    assert!(damaged.len() == 1 && damaged[0].key == key(1, 1) && damaged[0].last == 2, "{damaged:?}");
    assert!(matches!(wal.open_group(key(1, 1)), Err(GroupError::Damaged(_))));
    assert_eq!(all(&wal.open_group(key(2, 1)).unwrap()), entries(1, 0..4));
    wal.open_group(key(1, 2)).unwrap();
    assert_eq!(wal.damaged(), []);
}

#[test]
fn over_budget_with_everything_alive_the_holders_of_old_segments_are_named() {
    let wal = open(&SimDisk::default(), small());
    let log = wal.open_group(key(4, 1)).unwrap();
    let big = |index| Entry { id: log_id(1, index), payload: Bytes::from(vec![1; 3000]) };
    let mut named = Vec::new();
    let mut next = 0;
    until("the group is named", || {
        let (tell, answer) = done();
        log.append((next..next + 3).map(big).collect(), tell).unwrap();
        answer.wait().unwrap();
        next += 3;
        named = wal.take_slow_groups();
        !named.is_empty()
    });
    assert_eq!(named, [key(4, 1)]);
}

#[test]
fn dead_segments_become_spares_and_are_written_again() {
    let disk = SimDisk::default();
    let wal = open(&disk, small());
    for group in 0..60 {
        let log = wal.open_group(key(group, 1)).unwrap();
        append(&log, 0..20).unwrap();
        let (tell, answer) = done();
        wal.remove_group(key(group, 1), tell).unwrap();
        answer.wait().unwrap();
    }
    wal.close().unwrap();
    assert!(disk.files().len() <= 8, "{:?}", disk.files().keys());
    let headers = crate::recovery::survey(&disk).unwrap();
    assert!(headers.iter().any(|header| header.recycled), "{headers:?}");
}

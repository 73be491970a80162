use std::{collections::BTreeMap, sync::Arc};

use crate::{
    Damage, Entry, GroupError, GroupKey, LogId, OpenError, Options, Wal,
    format::{BLOCK, Head, Op, Record, SegmentHeader, Stamp, encode, segment_name},
    recovery::{Replay, read_log, survey},
    store::Store,
    testing::{SimDisk, all, done, entries, key, log_id, open, small, vote},
};

type Files = BTreeMap<String, Vec<u8>>;

fn store(disk: &SimDisk) -> Store {
    Store::open(Arc::new(disk.clone()), small()).unwrap().0
}

fn record(group: u64, op: Op) -> Record {
    Record { key: key(group, 1), op }
}

fn entry(group: u64, index: u64) -> Record {
    record(group, Op::Entry(entries(1, index..index + 1).remove(0)))
}

fn create(group: u64) -> Record {
    record(group, Op::Create)
}

/// Six batches in two segments, one entry of group 1 each; the log was not closed.
fn six_batches() -> Files {
    let disk = SimDisk::default();
    let mut store = store(&disk);
    store.commit(&[create(1), entry(1, 0)]).unwrap();
    (1..6).for_each(|index| store.commit(&[entry(1, index)]).unwrap());
    let files = disk.files();
    assert_eq!(files.keys().cloned().collect::<Vec<_>>(), [segment_name(1), segment_name(2)]);
    assert!(files.values().all(|bytes| bytes.len() == 4 * BLOCK));
    files
}

/// What a log came to.
#[derive(Debug, PartialEq)]
struct Outcome {
    groups: BTreeMap<GroupKey, Vec<Entry>>,
    damaged: Vec<Damage>,
    torn: usize,
}

fn outcome(files: &Files) -> Result<(Outcome, SimDisk), OpenError> {
    let disk = SimDisk::from_files(files);
    let wal = Wal::open_on(Arc::new(disk.clone()), small())?;
    let usable = wal.groups().into_iter().filter_map(|key| Some((key, all(&wal.open_group(key).ok()?))));
    let groups = usable.collect();
    let damaged = wal.damaged();
    let torn = disk.files().keys().filter(|name| name.ends_with(".torn")).count();
    wal.close().unwrap();
    Ok((Outcome { groups, damaged, torn }, disk))
}

/// The entries of group 1 after recovery, and the disk.
fn recovered(files: &Files) -> Result<(Vec<Entry>, SimDisk), OpenError> {
    let (outcome, disk) = outcome(files)?;
    assert_eq!(outcome.damaged, []);
    Ok((outcome.groups.get(&key(1, 1)).cloned().unwrap_or_default(), disk))
}

fn is_corrupt_at(files: &Files, segment: u64, offset: u64) -> bool {
    matches!(outcome(files), Err(OpenError::Corrupt { segment: at, offset: byte, .. }) if (at, byte) == (segment, offset))
}

#[test]
fn r2_a_last_segment_cut_anywhere_keeps_every_whole_batch() {
    let whole = six_batches();
    for cut in BLOCK..=4 * BLOCK {
        let mut files = whole.clone();
        files.get_mut(&segment_name(2)).unwrap().truncate(cut);
        let (found, _) = recovered(&files).unwrap();
        // A batch is whole without its padding.
        let kept = (0..3).filter(|batch| cut >= (batch + 1) * BLOCK + batch_len(&whole, *batch)).count();
        assert_eq!(found, entries(1, 0..3 + kept as u64), "cut at {cut}");
    }
}

fn batch_len(files: &Files, batch: usize) -> usize {
    let bytes = &files[&segment_name(2)][(batch + 1) * BLOCK..(batch + 2) * BLOCK];
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

#[test]
fn r18_recovering_a_recovered_log_changes_nothing() {
    let whole = six_batches();
    for cut in (BLOCK..=4 * BLOCK).step_by(97) {
        let mut files = whole.clone();
        files.get_mut(&segment_name(2)).unwrap().truncate(cut);
        let (found, disk) = recovered(&files).unwrap();
        let (again, _) = recovered(&disk.files()).unwrap();
        assert_eq!(again, found, "cut at {cut}");
    }
}

#[test]
fn r19_a_cut_log_keeps_the_torn_bytes_and_goes_on_in_a_fresh_segment() {
    let whole = six_batches();
    for cut in [BLOCK + 1, 2 * BLOCK + 70, 3 * BLOCK + 10, 4 * BLOCK] {
        let mut files = whole.clone();
        files.get_mut(&segment_name(2)).unwrap().truncate(cut);
        let disk = SimDisk::from_files(&files);
        let wal = open(&disk, small());
        let log = wal.open_group(key(1, 1)).unwrap();
        let kept = log.reader().last().unwrap().index + 1;
        let (tell, answer) = done();
        log.append(entries(2, kept..kept + 1), tell).unwrap();
        answer.wait().unwrap();
        drop(log);
        wal.close().unwrap();
        let torn = disk.files().into_keys().filter(|name| name.ends_with(".torn")).count();
        assert_eq!(torn, usize::from(!cut.is_multiple_of(BLOCK)), "cut at {cut}");
        let fresh = if kept > 3 { 3 } else { 2 };
        assert!(disk.files().contains_key(&segment_name(fresh)), "cut at {cut}");
        let wal = open(&disk, small());
        let expected = [entries(1, 0..kept), entries(2, kept..kept + 1)].concat();
        assert_eq!(all(&wal.open_group(key(1, 1)).unwrap()), expected, "cut at {cut}");
    }
}

#[test]
fn only_the_newest_torn_tails_are_kept() {
    let mut disk = SimDisk::default();
    for round in 0..12 {
        let mut store = store(&disk);
        store.commit(&[create(1), entry(1, round)]).unwrap();
        let mut files = disk.files();
        let last = files.keys().rfind(|name| name.ends_with(".seg")).unwrap().clone();
        let bytes = files.get_mut(&last).unwrap();
        bytes.resize(2 * BLOCK, 0);
        bytes.extend_from_slice(&[9; BLOCK]);
        disk = SimDisk::from_files(&files);
    }
    drop(store(&disk));
    assert_eq!(disk.files().keys().filter(|name| name.ends_with(".torn")).count(), 8);
}

#[test]
fn a_segment_without_its_whole_header_is_refused() {
    let mut files = six_batches();
    for cut in [0, 1, 100, BLOCK - 1] {
        files.get_mut(&segment_name(2)).unwrap().truncate(cut);
        assert!(is_corrupt_at(&files, 2, 0));
    }
}

/// Three segments with a batch of two groups in each place: 7 is the one that will be hit.
fn two_groups() -> Files {
    let disk = SimDisk::default();
    let mut store = store(&disk);
    let votes = [record(1, Op::Vote(vote(2))), record(7, Op::Vote(vote(2)))];
    store.commit(&[vec![create(1), create(7)], votes.to_vec()].concat()).unwrap();
    (0..5).for_each(|index| store.commit(&[entry(1, index), entry(7, index)]).unwrap());
    store.seal().unwrap();
    let files = disk.files();
    assert_eq!(files.len(), 3);
    files
}

/// What may come of one flipped bit.
#[derive(Debug, PartialEq)]
enum Flipped {
    Nothing,
    /// One group is out of use, the other has everything.
    Quarantined(u64),
    Refused,
    /// The seal alone was hit: it is taken for an unfinished batch.
    SealGone,
}

fn flipped(files: &Files) -> Flipped {
    let (outcome, _) = match outcome(files) {
        Ok(found) => found,
        Err(OpenError::Corrupt { .. }) => return Flipped::Refused,
        Err(other) => panic!("{other}"),
    };
    let full = entries(1, 0..5);
    assert!(outcome.groups.values().all(|found| *found == full), "{outcome:?}");
    match (outcome.damaged.as_slice(), outcome.torn) {
        ([], 0) => Flipped::Nothing,
        ([], _) => Flipped::SealGone,
        ([damage], 0) => Flipped::Quarantined(damage.key.group),
        _ => panic!("{outcome:?}"),
    }
}

/// What recovery makes of a log before it changes anything.
fn verdict(disk: &SimDisk) -> String {
    let mut replay = Replay::default();
    let read = survey(disk).and_then(|headers| read_log(disk, &headers, &mut replay));
    let shelves: Vec<_> = replay.ledger.shelves.all();
    format!("{read:?} {:?} {:?} {} {shelves:?}", replay.segments, replay.tail, replay.is_sealed)
}

#[test]
fn r3_r4_every_flipped_bit_costs_at_most_the_group_that_it_hits_and_nothing_unnoticed() {
    let whole = two_groups();
    let disk = SimDisk::from_files(&whole);
    let unhurt = verdict(&disk);
    let mut seen = BTreeMap::new();
    for (name, bytes) in &whole {
        for bit in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, 1 << bit))) {
            let (at, mask) = bit;
            disk.flip(name, at, mask);
            // Most bits are padding: what recovery finds the same is not put to use again and again.
            let found = match verdict(&disk) == unhurt {
                true => format!("{:?}", Flipped::Nothing),
                false => format!("{:?}", flipped(&disk.files())),
            };
            disk.flip(name, at, mask);
            *seen.entry(found).or_insert(0) += 1;
        }
    }
    assert_eq!(seen.values().sum::<usize>(), whole.values().map(|bytes| bytes.len() * 8).sum::<usize>());
    let kinds: Vec<&str> = seen.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["Nothing", "Quarantined(1)", "Quarantined(7)", "Refused", "SealGone"], "{seen:?}");
}

/// The places inside the third batch: header, table, then 24 + 14 bytes for each of two entries.
#[test]
fn r4_header_table_and_payload_have_three_different_outcomes() {
    let whole = two_groups();
    let flip = |at: usize| {
        let mut files = whole.clone();
        files.get_mut(&segment_name(1)).unwrap()[3 * BLOCK + at] ^= 1;
        files
    };
    let table = 64;
    let frames = table + 2 * 48;
    assert!(is_corrupt_at(&flip(20), 1, 3 * BLOCK as u64), "header");
    assert!(is_corrupt_at(&flip(table + 50), 1, 3 * BLOCK as u64), "table");
    assert_eq!(flipped(&flip(frames + 30)), Flipped::Quarantined(1));
    let length =
        u32::from_le_bytes(whole[&segment_name(1)][3 * BLOCK + table + 40..][..4].try_into().unwrap());
    assert_eq!(flipped(&flip(frames + length as usize + 30)), Flipped::Quarantined(7));
}

#[test]
fn r3_a_damaged_group_is_named_with_its_place_and_cannot_be_opened_but_removed_and_replaced() {
    let mut files = two_groups();
    let at = 3 * BLOCK + 64 + 2 * 48 + 30;
    files.get_mut(&segment_name(1)).unwrap()[at] ^= 1;
    let disk = SimDisk::from_files(&files);
    let wal = open(&disk, small());
    let damage = wal.damaged().remove(0);
    let place = (damage.segment, damage.offset, damage.first, damage.last);
    assert_eq!(place, (1, (3 * BLOCK + 64 + 2 * 48) as u64, 1, 1));
    assert!(matches!(wal.open_group(key(1, 1)), Err(GroupError::Damaged(found)) if found == damage));
    assert!(wal.is_known(key(1, 1)), "it must not be born again under this incarnation");
    wal.open_group(key(7, 1)).unwrap();
    wal.close().unwrap();

    let wal = open(&disk, small());
    assert_eq!(wal.damaged(), [damage], "it stays damaged over a restart");
    let log = wal.open_group(key(1, 2)).unwrap();
    assert_eq!(wal.damaged(), []);
    let (tell, answer) = done();
    log.append(entries(4, 9..10), tell).unwrap();
    answer.wait().unwrap();
    drop(log);
    wal.close().unwrap();
    let wal = open(&disk, small());
    assert_eq!((wal.damaged(), all(&wal.open_group(key(1, 2)).unwrap())), (vec![], entries(4, 9..10)));
}

#[test]
fn damage_to_what_nobody_needs_any_more_costs_nothing() {
    let mut files = two_groups();
    let disk = SimDisk::from_files(&files);
    let mut again = store(&disk);
    again.commit(&[record(1, Op::Purge(log_id(1, 2)))]).unwrap();
    again.seal().unwrap();
    drop(again);
    files = disk.files();
    files.get_mut(&segment_name(1)).unwrap()[3 * BLOCK + 64 + 2 * 48 + 30] ^= 1;
    let (found, _) = outcome(&files).unwrap();
    assert_eq!((found.damaged, found.groups[&key(1, 1)].len()), (vec![], 2));
}

#[test]
fn r5_the_last_batch_is_attested_by_a_seal_and_taken_for_torn_without_one() {
    let sealed = {
        let disk = SimDisk::default();
        let mut store = store(&disk);
        store.commit(&[create(1), entry(1, 0)]).unwrap();
        store.seal().unwrap();
        disk.files()
    };
    let flip = |mut files: Files| {
        files.get_mut(&segment_name(1)).unwrap()[BLOCK + 64 + 2 * 48 + 24 + 30] ^= 1;
        outcome(&files).unwrap().0
    };
    let found = flip(sealed.clone());
    assert_eq!((found.damaged.len(), found.torn), (1, 0));
    let mut unsealed = sealed;
    unsealed.get_mut(&segment_name(1)).unwrap()[2 * BLOCK..].fill(0);
    let found = flip(unsealed);
    assert_eq!((found.damaged.len(), found.groups.len(), found.torn), (0, 0, 1));
}

#[test]
fn r5_an_idle_log_seals_its_last_batch_once_and_so_does_a_close() {
    let disk = SimDisk::default();
    let wal = open(&disk, small());
    let log = wal.open_group(key(1, 1)).unwrap();
    let (tell, answer) = done();
    log.append(entries(1, 0..1), tell).unwrap();
    answer.wait().unwrap();
    drop(log);
    let shared = wal.clone();
    wal.close().unwrap();
    assert_eq!((shared.stats().syncs, shared.stats().seals <= 1), (1, true));
    let headers = survey(&disk).unwrap();
    let mut replay = super::Replay::default();
    super::read_log(&disk, &headers, &mut replay).unwrap();
    assert!(replay.is_sealed);
}

#[test]
fn r9_swapped_repeated_and_missing_pieces_are_refused() {
    let mut swapped = six_batches();
    let bytes = swapped.get_mut(&segment_name(2)).unwrap();
    let (left, right) = bytes.split_at_mut(2 * BLOCK);
    left[BLOCK..].swap_with_slice(&mut right[..BLOCK]);
    assert!(is_corrupt_at(&swapped, 2, BLOCK as u64));

    let mut repeated = six_batches();
    repeated.insert(segment_name(3), repeated[&segment_name(2)].clone());
    assert!(is_corrupt_at(&repeated, 3, 0));

    let mut without_first = six_batches();
    without_first.remove(&segment_name(1));
    let (found, _) = outcome(&without_first).unwrap();
    assert_eq!(found.damaged[0].what, "the group's creation is missing");

    let mut without_middle = six_batches();
    let third = without_middle[&segment_name(2)].clone();
    without_middle.insert(segment_name(4), third);
    assert!(is_corrupt_at(&without_middle, 3, 0));
}

#[test]
fn an_older_segment_may_not_lose_its_end() {
    let mut files = six_batches();
    files.get_mut(&segment_name(1)).unwrap().truncate(3 * BLOCK);
    assert!(is_corrupt_at(&files, 1, 3 * BLOCK as u64));
}

#[test]
fn r9_left_over_bytes_of_another_life_of_a_file_never_count() {
    let mut files = six_batches();
    let old = six_batches();
    let bytes = files.get_mut(&segment_name(2)).unwrap();
    bytes.truncate(2 * BLOCK);
    bytes.extend_from_slice(&[7; BLOCK]);
    bytes.extend_from_slice(&old[&segment_name(2)][3 * BLOCK..]);
    assert_eq!(recovered(&files).unwrap().0, entries(1, 0..4));
}

#[test]
fn r19_a_payload_that_looks_like_a_later_batch_is_never_taken_for_one() {
    let disk = SimDisk::default();
    let mut store = store(&disk);
    store.commit(&[create(1), entry(1, 0)]).unwrap();
    let header = survey(&disk).unwrap().remove(0);
    let head = Head::decode(&disk.files()[&segment_name(1)][BLOCK..]).unwrap();
    let stamp = Stamp { segment: 1, salt: header.salt, batch: 9, lsn: 99, chain: head.crc };
    let mut payload = vec![0; BLOCK - 64 - 48 - 24];
    encode(&stamp, [create(5)].iter(), &mut payload);
    let liar = Entry { id: log_id(1, 1), payload: payload.into() };
    store.commit(&[record(1, Op::Entry(liar))]).unwrap();
    let mut files = disk.files();
    assert!(Head::decode(&files[&segment_name(1)][3 * BLOCK..]).is_some(), "it stands on a block");
    files.get_mut(&segment_name(1)).unwrap()[2 * BLOCK + 64 + 5] ^= 1;
    let (found, _) = outcome(&files).unwrap();
    assert_eq!((found.groups[&key(1, 1)].len(), found.torn), (1, 1));
}

/// A one-segment log whose only batch holds these records.
fn log_of(records: &[Record], patch: impl FnOnce(&mut Vec<u8>)) -> Files {
    let header = SegmentHeader {
        node: [7; 16],
        member: 0,
        segment: 1,
        salt: 0x5a17,
        chain: 0,
        first_batch: 1,
        first_lsn: 1,
        recycled: false,
    };
    let mut bytes = header.encode();
    let stamp = Stamp { segment: 1, salt: 0x5a17, batch: 1, lsn: 1, chain: 0 };
    encode(&stamp, records.iter(), &mut bytes);
    patch(&mut bytes);
    BTreeMap::from([(segment_name(1), bytes)])
}

fn reseal_header(block: &mut [u8]) {
    let crc = crc32fast::hash(&block[..BLOCK - 4]);
    block[BLOCK - 4..BLOCK].copy_from_slice(&crc.to_le_bytes());
}

fn reseal_batch(batch: &mut [u8], rows: usize) {
    let table_crc = crc32fast::hash(&batch[64..64 + rows * 48]);
    batch[48..52].copy_from_slice(&table_crc.to_le_bytes());
    let crc = crc32fast::hash(&batch[..60]);
    batch[60..64].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn r17_another_version_or_an_unknown_kind_is_refused_not_skipped() {
    assert!(recovered(&log_of(&[create(1)], |_| ())).is_ok());
    for version in [1, 3] {
        let other = log_of(&[create(1)], |bytes| {
            bytes[8] = version;
            reseal_header(bytes);
        });
        assert!(
            matches!(outcome(&other), Err(OpenError::Version { segment: 1, found }) if found == version.into())
        );
    }
    let unknown = log_of(&[create(1)], |bytes| {
        bytes[BLOCK + 64 + 12] = 99;
        reseal_batch(&mut bytes[BLOCK..], 1);
    });
    assert!(is_corrupt_at(&unknown, 1, BLOCK as u64));
}

#[test]
fn r20_a_table_never_reads_another_batchs_records() {
    let records = |payload: &'static str| {
        let entry = Entry { id: log_id(1, 0), payload: payload.into() };
        [create(1), record(1, Op::Entry(entry)), record(1, Op::Vote(vote(2)))]
    };
    let spliced = log_of(&records("one"), |bytes| {
        let other = log_of(&records("two"), |_| ()).remove(&segment_name(1)).unwrap();
        let frames = BLOCK + 64 + 3 * 48;
        bytes[frames..].copy_from_slice(&other[frames..]);
        let next = Stamp {
            segment: 1,
            salt: 0x5a17,
            batch: 2,
            lsn: 4,
            chain: Head::decode(&bytes[BLOCK..]).unwrap().crc,
        };
        encode(&next, [create(2)].iter(), bytes);
    });
    let (found, _) = outcome(&spliced).unwrap();
    assert_eq!(found.damaged.iter().map(|damage| damage.key.group).collect::<Vec<_>>(), [1]);
}

#[test]
fn r10_lengths_that_reach_beyond_the_file_or_sense_allocate_nothing() {
    for (field, value) in [(40, u32::MAX), (44, u32::MAX), (40, 1 << 20), (44, 63 << 20)] {
        let lying = log_of(&[create(1)], |bytes| {
            bytes[BLOCK + field..BLOCK + field + 4].copy_from_slice(&value.to_le_bytes());
            let crc = crc32fast::hash(&bytes[BLOCK..BLOCK + 60]);
            bytes[BLOCK + 60..BLOCK + 64].copy_from_slice(&crc.to_le_bytes());
        });
        let found = outcome(&lying);
        assert!(found.is_err() || found.unwrap().0.groups.is_empty(), "field {field} value {value}");
    }
    let far = [create(1), record(1, Op::Entry(entry_at(3))), record(1, Op::Copy(entry_at(u64::MAX - 2)))];
    let (found, _) = outcome(&log_of(&far, |_| ())).unwrap();
    assert_eq!((found.groups.len(), found.damaged.len()), (0, 1), "nobody can say what it means");
}

fn entry_at(index: u64) -> Entry {
    Entry { id: LogId { term: 1, origin: 101, index }, payload: "x".into() }
}

#[test]
fn two_leaders_of_one_term_a_truncate_and_a_late_copy_leave_the_acknowledged_entry() {
    let of = |origin, payload: &'static str| Entry {
        id: LogId { term: 1, origin, index: 1 },
        payload: payload.into(),
    };
    let disk = SimDisk::default();
    let mut store = store(&disk);
    store.commit(&[create(1), entry(1, 0), record(1, Op::Entry(of(8, "lost")))]).unwrap();
    store.commit(&[record(1, Op::Truncate(1)), record(1, Op::Entry(of(9, "kept")))]).unwrap();
    store.commit(&[record(1, Op::Copy(of(8, "lost")))]).unwrap();
    drop(store);
    let wal = open(&disk, small());
    assert_eq!(all(&wal.open_group(key(1, 1)).unwrap())[1], of(9, "kept"));
}

/// Found by the search over many sequences: what was before these records was recycled already.
#[test]
fn a_late_hint_of_a_superseded_life_revives_nothing() {
    let next = Record { key: key(1, 5), op: Op::Create };
    let late = Record { key: key(1, 4), op: Op::Committed(log_id(1, 1)) };
    let (found, _) = outcome(&log_of(&[next, late], |_| ())).unwrap();
    assert_eq!((found.damaged, found.groups.into_keys().collect::<Vec<_>>()), (vec![], vec![key(1, 5)]));
}

#[test]
fn r18_recovery_can_itself_crash_at_any_call() {
    let mut files = six_batches();
    files.get_mut(&segment_name(2)).unwrap().truncate(3 * BLOCK + 100);
    let expected = entries(1, 0..5);
    for calls in 0..60 {
        for seed in 0..8 {
            let disk = SimDisk::from_files(&files);
            disk.fail_after(calls);
            drop(Store::open(Arc::new(disk.clone()), small()).map(|_| ()));
            let mut turn = seed;
            let crashed = disk.crash(|choices| {
                turn = (turn * 31 + 7) % 1009;
                turn % choices
            });
            assert_eq!(recovered(&crashed.files()).unwrap().0, expected, "crash after {calls} calls, {seed}");
        }
    }
}

/// 32 bytes of a file with their place; nothing for zeros.
fn line((number, bytes): (usize, &[u8])) -> Option<String> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.iter().any(|byte| *byte != 0).then(|| format!("{:05x} {hex}", number * 32))
}

#[test]
fn r17_a_log_of_version_2_has_these_bytes() {
    let state =
        crate::format::State { vote: Some(vote(4)), purged: Some(log_id(1, 2)), ..Default::default() };
    let snapshot = crate::Snapshot { id: log_id(1, 2), meta: "meta".into() };
    let ops = [
        Op::Create,
        Op::Entry(entries(1, 3..4).remove(0)),
        Op::Copy(entries(1, 4..5).remove(0)),
        Op::Vote(vote(3)),
        Op::Truncate(5),
        Op::Purge(log_id(1, 2)),
        Op::Snapshot(snapshot),
        Op::Committed(log_id(1, 3)),
        Op::State(Box::new(state)),
        Op::Evict(Some(12)),
        Op::Evict(None),
        Op::Damaged(9),
        Op::Tombstone,
        Op::Seal,
    ];
    let records: Vec<Record> = ops.into_iter().map(|op| Record { key: key(5, 2), op }).collect();
    let file = log_of(&records, |_| ()).remove(&segment_name(1)).unwrap();
    let lines: Vec<String> = file.chunks(32).enumerate().filter_map(line).collect();
    assert_eq!(lines.join("\n") + "\n", include_str!("../testdata/segment-v2.hex"));
}

#[test]
fn options_say_how_much_a_log_may_hold() {
    let options = Options::new([1; 16]);
    assert_eq!((options.node, options.segment_bytes), ([1; 16], 64 << 20));
    assert!(Wal::open_on(Arc::new(SimDisk::default()), options).is_ok());
}

use std::collections::BTreeMap;

use crate::{
    Entry, OpenError, Options, Wal,
    format::{BLOCK, Head, Op, Record, SegmentHeader, Stamp, encode, segment_name},
    store::Store,
    testing::{SimDisk, done, entries, key, open, small},
};

type Files = BTreeMap<String, Vec<u8>>;

/// Six batches in two segments, one entry each.
fn six_batches() -> Files {
    let disk = SimDisk::default();
    let wal = open(&disk, small());
    let log = wal.open_group(key(1, 1)).unwrap();
    for index in 0..6 {
        let (tell, answer) = done();
        log.append(entries(1, index..index + 1), tell).unwrap();
        answer.wait().unwrap();
    }
    drop(log);
    wal.close().unwrap();
    let files = disk.files();
    assert_eq!(files.values().map(Vec::len).collect::<Vec<_>>(), [4 * BLOCK, 4 * BLOCK]);
    files
}

/// What the only group holds after recovery, and the disk after it.
fn recovered(files: &Files) -> Result<(Vec<Entry>, SimDisk), OpenError> {
    let disk = SimDisk::from_files(files);
    let store = Store::open(Box::new(disk.clone()), small())?;
    let held = store.ledger.groups().flat_map(|(_, trace)| trace.entries.values());
    Ok((held.map(|kept| kept.value.clone()).collect(), disk))
}

fn is_corrupt_at(files: &Files, segment: u64, offset: u64) -> bool {
    matches!(recovered(files), Err(OpenError::Corrupt { segment: at, offset: byte, .. }) if (at, byte) == (segment, offset))
}

#[test]
fn a_last_segment_cut_anywhere_keeps_every_whole_batch() {
    let whole = six_batches();
    for cut in BLOCK..=4 * BLOCK {
        let mut files = whole.clone();
        files.get_mut(&segment_name(2)).unwrap().truncate(cut);
        let kept = 3 + (cut - BLOCK) / BLOCK;
        let (found, disk) = recovered(&files).unwrap();
        assert_eq!(found, entries(1, 0..kept as u64), "cut at {cut}");
        let (again, _) = recovered(&disk.files()).unwrap();
        assert_eq!(again, found, "recovered twice, cut at {cut}");
    }
}

#[test]
fn a_cut_log_keeps_the_torn_bytes_and_goes_on_in_a_fresh_segment() {
    let whole = six_batches();
    for cut in [BLOCK + 1, 2 * BLOCK + 70, 3 * BLOCK - 1, 3 * BLOCK + 200, 4 * BLOCK] {
        let mut files = whole.clone();
        files.get_mut(&segment_name(2)).unwrap().truncate(cut);
        let disk = SimDisk::from_files(&files);
        let kept = 3 + (cut as u64 - BLOCK as u64) / BLOCK as u64;
        let wal = open(&disk, small());
        let log = wal.open_group(key(1, 1)).unwrap();
        let (tell, answer) = done();
        log.append(entries(2, kept..kept + 1), tell).unwrap();
        answer.wait().unwrap();
        drop(log);
        wal.close().unwrap();
        let torn = disk.files().into_keys().filter(|name| name.ends_with(".torn")).count();
        assert_eq!(torn, usize::from(!cut.is_multiple_of(BLOCK)), "cut at {cut}");
        let reader = open(&disk, small()).open_group(key(1, 1)).unwrap().reader();
        let expected = [entries(1, 0..kept), entries(2, kept..kept + 1)].concat();
        assert_eq!(reader.entries(0..100, usize::MAX), expected, "cut at {cut}");
    }
}

#[test]
fn a_segment_without_its_whole_header_is_refused() {
    let mut files = six_batches();
    for cut in [0, 1, 100, BLOCK - 1] {
        files.get_mut(&segment_name(2)).unwrap().truncate(cut);
        assert!(is_corrupt_at(&files, 2, 0));
    }
}

/// Every bit where something is written; one bit of each byte of padding.
fn bits(byte: u8) -> &'static [u8] {
    if byte == 0 { &[3] } else { &[0, 1, 2, 3, 4, 5, 6, 7] }
}

#[test]
fn a_flipped_bit_is_found_and_never_shortens_the_log_in_the_middle() {
    let whole = six_batches();
    let full = entries(1, 0..6);
    let places = whole.iter().flat_map(|(name, bytes)| (0..bytes.len()).map(move |at| (name, at)));
    for (name, at) in places {
        let last_batch = *name == segment_name(2) && at >= 3 * BLOCK;
        for bit in bits(whole[name][at]) {
            let mut files = whole.clone();
            files.get_mut(name).unwrap()[at] ^= 1 << bit;
            match recovered(&files) {
                Ok((found, disk)) => {
                    assert!(last_batch, "{name} byte {at} bit {bit} was not noticed");
                    assert_eq!(found, full[..5]);
                    assert!(disk.files().keys().any(|name| name.ends_with(".torn")));
                }
                Err(OpenError::Corrupt { .. }) => assert!(!last_batch, "{name} byte {at} bit {bit}"),
                Err(other) => panic!("{name} byte {at} bit {bit}: {other}"),
            }
        }
    }
}

#[test]
fn damage_is_named_by_segment_and_offset() {
    let mut files = six_batches();
    files.get_mut(&segment_name(1)).unwrap()[2 * BLOCK + 150] ^= 1;
    assert!(is_corrupt_at(&files, 1, 2 * BLOCK as u64));
    let mut files = six_batches();
    files.get_mut(&segment_name(1)).unwrap()[3 * BLOCK + 150] ^= 1;
    assert!(is_corrupt_at(&files, 1, 3 * BLOCK as u64));
}

#[test]
fn swapped_repeated_and_missing_pieces_are_refused() {
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
    assert!(is_corrupt_at(&without_first, 2, 0));

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
    };
    let mut bytes = header.encode();
    let stamp = Stamp { segment: 1, salt: 0x5a17, batch: 1, lsn: 1, chain: 0 };
    encode(&stamp, records, &mut bytes);
    patch(&mut bytes);
    BTreeMap::from([(segment_name(1), bytes)])
}

fn reseal_header(block: &mut [u8]) {
    let crc = crc32fast::hash(&block[..BLOCK - 4]);
    block[BLOCK - 4..BLOCK].copy_from_slice(&crc.to_le_bytes());
}

fn reseal_batch(batch: &mut [u8]) {
    let table_crc = crc32fast::hash(&batch[64..112]);
    batch[48..52].copy_from_slice(&table_crc.to_le_bytes());
    let crc = crc32fast::hash(&batch[..60]);
    batch[60..64].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn another_version_or_an_unknown_kind_is_refused_not_skipped() {
    let create = Record { key: key(1, 1), op: Op::Create };
    assert!(recovered(&log_of(std::slice::from_ref(&create), |_| ())).is_ok());
    let future = log_of(std::slice::from_ref(&create), |bytes| {
        bytes[8] = 2;
        reseal_header(bytes);
    });
    assert!(matches!(recovered(&future), Err(OpenError::Version { segment: 1, found: 2 })));
    let unknown = log_of(&[create], |bytes| {
        bytes[BLOCK + 64 + 12] = 99;
        reseal_batch(&mut bytes[BLOCK..]);
    });
    assert!(is_corrupt_at(&unknown, 1, BLOCK as u64));
}

#[test]
fn left_over_bytes_of_another_life_of_a_file_never_count() {
    let mut files = six_batches();
    let old = six_batches();
    let bytes = files.get_mut(&segment_name(2)).unwrap();
    bytes.truncate(2 * BLOCK);
    bytes.extend_from_slice(&[7; BLOCK]);
    bytes.extend_from_slice(&old[&segment_name(2)][3 * BLOCK..]);
    assert_eq!(recovered(&files).unwrap().0, entries(1, 0..4));
}

#[test]
fn recovery_can_itself_crash_at_any_call() {
    let mut files = six_batches();
    files.get_mut(&segment_name(2)).unwrap().truncate(3 * BLOCK + 200);
    for calls in 0..40 {
        for seed in 0..8 {
            let disk = SimDisk::from_files(&files);
            disk.fail_after(calls);
            let opened = Store::open(Box::new(disk.clone()), small());
            drop(opened);
            let mut turn = seed;
            let crashed = disk.crash(|choices| {
                turn = (turn * 31 + 7) % 1009;
                turn % choices
            });
            assert_eq!(recovered(&crashed.files()).unwrap().0, entries(1, 0..5), "crash after {calls} calls");
        }
    }
}

#[test]
fn a_batch_of_version_1_has_these_bytes() {
    let entry = entries(1, 3..4).remove(0);
    let records = [Record { key: key(5, 2), op: Op::Entry(entry) }];
    let stamp = Stamp { segment: 9, salt: 8, batch: 7, lsn: 6, chain: 5 };
    let mut bytes = Vec::new();
    let crc = encode(&stamp, &records, &mut bytes);
    let head = Head::decode(&bytes).unwrap();
    assert_eq!((head.stamp, head.crc, head.len()), (stamp, crc, BLOCK));
    let hex: String = bytes[..152].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, include_str!("../testdata/batch-v1.hex").trim());
}

#[test]
fn options_say_how_much_a_log_may_hold() {
    let options = Options::new([1; 16]);
    assert_eq!((options.node, options.segment_bytes), ([1; 16], 64 << 20));
    assert!(Wal::open_on(Box::new(SimDisk::default()), options).is_ok());
}

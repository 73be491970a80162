//! Every moment at which power can be lost, and every state of the last batch that this can leave, one after the other.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use crate::{
    Entry, GroupKey, LogId, Options, Snapshot, Vote,
    fault::Fault,
    format::{Op, Record},
    lock::lock,
    store::Store,
    testing::{Fate, SimDisk, entries, key, log_id, small, vote},
};

/// What is left of one group.
type Found = (Option<Vote>, Option<LogId>, Vec<LogId>);
type State = BTreeMap<GroupKey, Found>;

fn options() -> Options {
    Options { budget_bytes: 40 << 10, ..small() }
}

fn observe(store: &Store) -> State {
    let found = |(key, shelf): (GroupKey, crate::ledger::Shelf)| {
        let trace = lock(&shelf);
        let state = trace.state();
        let ids = trace.entries.iter().map(|(index, slot)| slot.id(index)).collect();
        (key, (state.vote, state.purged, ids))
    };
    store.ledger.shelves.all().into_iter().map(found).collect()
}

fn record(group: u64, op: Op) -> Record {
    Record { key: key(group, 1), op }
}

fn entry(group: u64, term: u64, index: u64) -> Record {
    record(group, Op::Entry(entries(term, index..index + 1).remove(0)))
}

/// Everything that a log does, in few steps: appends, votes, a truncation, purges, snapshots, a removal, copies of old
/// segments, seals.
fn script() -> Vec<Vec<Record>> {
    let mut steps = vec![
        vec![record(1, Op::Create), record(1, Op::Vote(vote(2))), entry(1, 1, 0)],
        vec![record(2, Op::Create), entry(2, 1, 0), entry(2, 1, 1)],
        vec![entry(1, 1, 1), entry(1, 1, 2)],
        vec![record(1, Op::Truncate(2)), entry(1, 3, 2)],
        vec![record(3, Op::Create), entry(3, 1, 0)],
        vec![record(2, Op::Purge(log_id(1, 0)))],
        vec![record(3, Op::Tombstone)],
        vec![record(1, Op::Snapshot(Snapshot { id: log_id(1, 1), meta: Bytes::from_static(b"meta") }))],
    ];
    steps.extend((2..14).map(|index| vec![entry(2, 2, index), record(2, Op::Purge(log_id(2, index - 1)))]));
    steps.push(vec![record(1, Op::Vote(vote(8)))]);
    steps
}

/// Runs the script until the disk fails; how many of its steps were acknowledged.
fn run(disk: &SimDisk, mut acknowledged: impl FnMut(&Store)) -> Option<()> {
    let (mut store, _) = Store::open(Arc::new(disk.clone()), options()).ok()?;
    for (number, step) in script().into_iter().enumerate() {
        one(&mut store, &step, number).ok()?;
        acknowledged(&store);
    }
    store.close().ok()
}

fn one(store: &mut Store, step: &[Record], number: usize) -> Result<(), Fault> {
    let copies = store.copies()?.records;
    store.commit(&[copies, step.to_vec()].concat())?;
    if number.is_multiple_of(4) {
        store.seal()?;
    }
    store.tidy().map(drop)
}

/// The states after each step, the first one empty.
fn history() -> (Vec<State>, u64) {
    let disk = SimDisk::default();
    let mut states = vec![State::new()];
    let mut copies = 0;
    run(&disk, |store| {
        states.push(observe(store));
        copies = store.totals.copies;
    })
    .unwrap();
    assert!(copies > 3, "the script copies old segments: {copies}");
    (states, disk.calls())
}

fn recovered(disk: &SimDisk) -> State {
    let (store, damage) = Store::open(Arc::new(disk.clone()), options()).unwrap();
    assert_eq!(damage, []);
    observe(&store)
}

/// Every combination for few sectors, each one alone for many.
fn fates(dirty: usize) -> Vec<Vec<Fate>> {
    let all = |fate| vec![fate; dirty];
    let one = |at: usize, usual, other| {
        let mut fates = all(usual);
        fates[at] = other;
        fates
    };
    let subset =
        |bits: usize| (0..dirty).map(|at| if bits >> at & 1 == 1 { Fate::New } else { Fate::Old }).collect();
    let mut list: Vec<Vec<Fate>> = match dirty {
        0..=9 => (0..1 << dirty).map(subset).collect(),
        _ => vec![all(Fate::Old), all(Fate::New)],
    };
    for at in 0..dirty {
        list.push(one(at, Fate::New, Fate::Garbled));
        list.push(one(at, Fate::New, Fate::Old));
    }
    list
}

/// R1, R2, R8, R14: what was acknowledged is there after a loss of power at any call of the disk, in whatever state the
/// unsynced sectors and names are left; and nothing is there that was not asked for.
#[test]
fn r1_r2_r8_r14_power_lost_at_every_call_leaves_what_was_acknowledged() {
    let (states, calls) = history();
    let mut crashes = 0;
    for call in 0..=calls {
        let disk = SimDisk::default();
        disk.fail_after(call);
        let mut done = 0;
        run(&disk, |_| done += 1);
        let (moments, dirty) = disk.doubts();
        for moment in 0..moments {
            for fate in fates(dirty) {
                let crashed = disk.crash_to(moment, |sector| fate.get(sector).copied().unwrap_or(Fate::Old));
                let found = recovered(&crashed);
                crashes += 1;
                let expected = &states[done..(done + 2).min(states.len())];
                assert!(
                    expected.contains(&found),
                    "call {call} moment {moment} {fate:?}: {found:#?} {expected:#?}"
                );
            }
        }
    }
    assert!(crashes > 5000, "{crashes}");
}

/// R8: with syncs of the directory left out, the same search finds a loss, so it would find it.
#[test]
fn r8_names_that_are_not_synced_are_lost_in_the_simulation() {
    let disk = SimDisk::default();
    crate::Disk::create(&disk, "a").unwrap().sync().unwrap();
    assert_eq!(disk.doubts().0, 2);
    assert!(disk.crash_to(0, |_| Fate::New).files().is_empty());
    crate::Disk::sync_dir(&disk).unwrap();
    assert_eq!(disk.crash_to(0, |_| Fate::New).files().len(), 1);
}

/// R14: an entry of a removed group never comes back, whichever segments are gone.
#[test]
fn r14_a_removed_group_stays_removed_while_segments_go() {
    let (states, _) = history();
    let removed = states.iter().position(|state| state.contains_key(&key(3, 1))).unwrap();
    let gone = states[removed..].iter().position(|state| !state.contains_key(&key(3, 1))).unwrap() + removed;
    assert!(states[gone..].iter().all(|state| !state.contains_key(&key(3, 1))));
    let entry = Entry { id: log_id(1, 0), payload: Bytes::new() };
    assert_eq!(states[removed][&key(3, 1)].2, [entry.id]);
}

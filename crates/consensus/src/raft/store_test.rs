use muster_machine::Replica;
use muster_runtime::TaskScope;
use muster_wal::{GroupKey, Options, Wal};
use muster_wire::{GroupId, JobId};
use openraft::StorageError;
use openraft::entry::RaftEntry as _;
use openraft::storage::{RaftLogReader as _, RaftLogStorage as _, RaftLogStorageExt as _};
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::convert;
use super::machine::StateMachine;
use super::snapshot::SnapshotFiles;
use super::store::LogStore;
use super::types::{Command, Entry, Payload, Types};
use crate::storage::RealStorage;
use crate::testing::ledger::Ledger;

struct Builder;

impl StoreBuilder<Types, LogStore, StateMachine<Ledger>, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine<Ledger>), StorageError<Types>> {
        let dir = TempDir::new().unwrap();
        let wal = Wal::open(&dir.path().join("wal"), Options::default()).unwrap();
        let log = wal.open_group(GroupKey { group: 1, incarnation: 0 }).unwrap();
        let files = SnapshotFiles::new(RealStorage::shared(), dir.path().join("snapshots"), TaskScope::new());
        let (machine, _) = StateMachine::open(Replica::born(GroupId(1), JobId(1)), files, None).unwrap();
        Ok((dir, LogStore::new(log, TaskScope::new()), machine))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_keeps_what_raft_asks_of_it() {
    Suite::test_all(Builder).await.unwrap();
}

fn open(dir: &TempDir) -> Wal {
    Wal::open(dir.path(), Options::default()).unwrap()
}

fn store(wal: &Wal, group: u64) -> LogStore {
    LogStore::new(wal.open_group(GroupKey { group, incarnation: 0 }).unwrap(), TaskScope::new())
}

/// Entries that say which group, leader and index they are of.
fn entries(group: u64, (term, origin): (u64, u64), indexes: std::ops::Range<u64>) -> Vec<Entry> {
    let entry = |index| {
        let id = muster_wal::LogId { term, origin, index };
        let text = format!("group {group} term {term} origin {origin} index {index}");
        Entry::new(convert::from_wal_log_id(id), Payload::Normal(Command::new(text.as_bytes())))
    };
    indexes.map(entry).collect()
}

async fn texts(store: &mut LogStore) -> Vec<String> {
    let found = store.try_get_log_entries(0..u64::MAX).await.unwrap();
    let text = |entry: Entry| match entry.payload {
        Payload::Normal(command) => String::from_utf8(command.entry().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    };
    found.into_iter().map(text).collect()
}

fn expected(groups: &[Vec<Entry>]) -> Vec<String> {
    let text = |entry: &Entry| match &entry.payload {
        Payload::Normal(command) => String::from_utf8(command.entry().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    };
    groups.iter().flatten().map(text).collect()
}

/// What openraft's suite leaves out: a vote and entries are there after the log is opened again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_acknowledged_is_there_when_it_is_opened_again() {
    let dir = TempDir::new().unwrap();
    let wal = open(&dir);
    let mut log = store(&wal, 1);
    let vote = convert::from_wal_vote(muster_wal::Vote { term: 7, node: 3, committed: false });
    log.save_vote(&vote).await.unwrap();
    log.blocking_append(entries(1, (7, 3), 0..5)).await.unwrap();
    log.purge(convert::from_wal_log_id(muster_wal::LogId { term: 7, origin: 3, index: 1 })).await.unwrap();
    drop(log);
    wal.close().unwrap();

    let wal = open(&dir);
    let mut log = store(&wal, 1);
    assert_eq!(log.read_vote().await.unwrap(), Some(vote));
    assert_eq!(texts(&mut log).await, expected(&[entries(1, (7, 3), 2..5)]));
    assert_eq!(log.get_log_state().await.unwrap().last_purged_log_id.map(|id| id.index), Some(1));
}

/// And groups that share the log do not meet, two leaders of one term included.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_that_share_a_log_keep_their_own_entries_in_their_own_order() {
    let dir = TempDir::new().unwrap();
    let wal = open(&dir);
    let mut logs: Vec<LogStore> = (1..=4).map(|group| store(&wal, group)).collect();
    for start in (0..40).step_by(4) {
        for (group, log) in (1..).zip(&mut logs) {
            log.blocking_append(entries(group, (1, 8), start..start + 4)).await.unwrap();
        }
    }
    let after = convert::from_wal_log_id(muster_wal::LogId { term: 1, origin: 8, index: 29 });
    logs[1].truncate_after(Some(after)).await.unwrap();
    logs[1].blocking_append(entries(2, (1, 9), 30..35)).await.unwrap();
    drop(logs);
    wal.close().unwrap();

    let wal = open(&dir);
    for group in [1, 3, 4] {
        assert_eq!(texts(&mut store(&wal, group)).await, expected(&[entries(group, (1, 8), 0..40)]));
    }
    let second = [entries(2, (1, 8), 0..30), entries(2, (1, 9), 30..35)];
    assert_eq!(texts(&mut store(&wal, 2)).await, expected(&second));
}

/// And a log that is dead says so to whoever waits, and to whoever comes later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_over_a_closed_log_refuses_instead_of_waiting() {
    let dir = TempDir::new().unwrap();
    let wal = open(&dir);
    let mut log = store(&wal, 1);
    wal.close().unwrap();
    assert!(log.blocking_append(entries(1, (1, 1), 0..1)).await.is_err());
    let vote = convert::from_wal_vote(muster_wal::Vote { term: 1, node: 1, committed: false });
    assert!(log.save_vote(&vote).await.is_err());
}

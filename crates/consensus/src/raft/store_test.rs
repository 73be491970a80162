use muster_machine::Replica;
use muster_runtime::TaskScope;
use muster_wal::{GroupKey, Options, Wal};
use muster_wire::{GroupId, JobId};
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::machine::StateMachine;
use super::snapshot::SnapshotFiles;
use super::store::LogStore;
use super::types::Types;
use crate::testing::ledger::Ledger;

struct Builder;

impl StoreBuilder<Types, LogStore, StateMachine<Ledger>, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine<Ledger>), StorageError<Types>> {
        let dir = TempDir::new().unwrap();
        let wal = Wal::open(&dir.path().join("wal"), Options::default()).unwrap();
        let log = wal.open_group(GroupKey { group: 1, incarnation: 0 }).unwrap();
        let files = SnapshotFiles::new(dir.path().join("snapshots"), TaskScope::new());
        let (machine, _) = StateMachine::open(Replica::born(GroupId(1), JobId(1)), files, None).unwrap();
        Ok((dir, LogStore::new(log, TaskScope::new()), machine))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_keeps_what_raft_asks_of_it() {
    Suite::test_all(Builder).await.unwrap();
}

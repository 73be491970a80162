use super::*;
use crate::raft::types::{LeaderId, LogId, Membership, StoredMembership};
use crate::storage::RealStorage;
use openraft::vote::RaftLeaderId as _;
use std::collections::BTreeSet;
use std::fs;

fn sample(index: u64, state: &'static [u8]) -> Snapshot {
    let id = LogId { leader_id: LeaderId::new(3, 1 << 32), index };
    let members = Membership::new_with_defaults(vec![BTreeSet::from([1 << 32, 2 << 32])], []);
    let membership = StoredMembership::new(Some(id), members);
    Snapshot { meta: meta(Some(id), membership), snapshot: SnapshotBytes(Bytes::from_static(state)) }
}

#[tokio::test]
async fn only_the_newest_snapshot_is_kept_and_it_comes_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let files = SnapshotFiles::new(RealStorage::shared(), dir.path().join("7-0"), TaskScope::new());
    assert!(files.load().await.unwrap().is_none());
    files.save(sample(9, b"old")).await.unwrap();
    files.save(sample(10, b"new")).await.unwrap();
    let found = files.load().await.unwrap().unwrap();
    assert_eq!((found.meta, found.snapshot), (sample(10, b"").meta, sample(10, b"new").snapshot));
    assert_eq!(fs::read_dir(dir.path().join("7-0")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_damaged_snapshot_is_never_used() {
    let dir = tempfile::tempdir().unwrap();
    let files = SnapshotFiles::new(RealStorage::shared(), dir.path().to_owned(), TaskScope::new());
    files.save(sample(9, b"state")).await.unwrap();
    let path = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(files.load().await.unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn removing_what_is_not_there_is_fine() {
    let dir = tempfile::tempdir().unwrap();
    SnapshotFiles::new(RealStorage::shared(), dir.path().join("none"), TaskScope::new())
        .remove()
        .await
        .unwrap();
}

/// With a log that begins behind `purged`, and with the snapshot's last byte flipped if it `rots`.
async fn covering(purged: Option<u64>, rots: bool) -> Result<Option<u64>, LoadError> {
    let dir = tempfile::tempdir().unwrap();
    let files = SnapshotFiles::new(RealStorage::shared(), dir.path().join("7-0"), TaskScope::new());
    files.save(sample(9, b"state")).await.unwrap();
    let path = fs::read_dir(dir.path().join("7-0")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= u8::from(rots);
    fs::write(&path, bytes).unwrap();
    let found = files.load_covering(Covered { noted: Some(9), purged }).await?;
    Ok(found.and_then(|found| found.meta.last_log_id).map(|last| last.index))
}

#[tokio::test]
async fn what_the_log_was_purged_for_must_be_in_the_snapshot_and_the_rest_is_replayed() {
    assert!(matches!(covering(Some(9), false).await, Ok(Some(9))));
    assert!(matches!(covering(Some(10), false).await, Err(LoadError::Lost(_))));
    assert!(matches!(covering(Some(3), true).await, Err(LoadError::Lost(_))));
    assert!(matches!(covering(None, true).await, Ok(None)));
}

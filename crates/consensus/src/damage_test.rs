//! Damage to the records of one group on one node.

use std::path::{Path, PathBuf};

use muster_wal::Damage;
use muster_wire::{Incarnation, JobId, MemberNumber, NodeId, RaftId};

use crate::identity::WAL_DIR;
use crate::testing::cluster::{Node, Site, eventually, kill_all, log_of};

const JOB: JobId = JobId(0x0192_0000_0000_7000_8000_0000_0000_0001);
const OTHER: JobId = JobId(0x0192_0000_0000_7000_8000_0000_0000_0002);
/// A number whose bytes stand nowhere else.
const MARK: u64 = 0x7EAD_BEEF_0BAD_F00D;

fn segments(dir: &Path) -> Vec<PathBuf> {
    let names = std::fs::read_dir(dir.join(WAL_DIR)).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|path| path.extension().is_some_and(|extension| extension == "seg")).collect()
}

/// Zeroes or flips what the log holds of the mark; how often it was there.
fn damage(dir: &Path, change: impl Fn(u8) -> u8) -> usize {
    let mark = muster_wire::encode(&MARK).unwrap();
    let mut found = 0;
    for path in segments(dir) {
        let mut bytes = std::fs::read(&path).unwrap();
        let places: Vec<usize> = bytes
            .windows(mark.len())
            .enumerate()
            .filter(|(_, at)| *at == &mark[..])
            .map(|(at, _)| at)
            .collect();
        for at in &places {
            bytes[*at] = change(bytes[*at]);
        }
        found += places.len();
        std::fs::write(&path, bytes).unwrap();
    }
    found
}

/// What a node that is stopped will find.
fn found(dir: &Path, node: NodeId) -> Vec<Damage> {
    let wal = log_of(dir, node);
    let damaged = wal.damaged();
    wal.close().unwrap();
    damaged
}

fn quarantined(node: &Node) -> Vec<Damage> {
    node.coordinator.host.ground.wal.damaged()
}

/// Both jobs with some numbers, the marked one among them, everywhere.
async fn fill(nodes: &[Node]) -> Vec<u64> {
    let numbers: Vec<u64> = (0..20).chain([MARK]).chain(20..30).collect();
    for job in [JOB, OTHER] {
        nodes[0].register(job).await.unwrap();
    }
    for number in &numbers {
        nodes[0].put(JOB, *number).await.unwrap();
        nodes[0].put(OTHER, number % 1000).await.unwrap();
    }
    for node in nodes {
        holds(node, numbers.len()).await;
    }
    numbers
}

async fn holds(node: &Node, count: usize) {
    eventually("it holds all numbers", || async {
        let view = node.coordinator.watch(JOB)?.borrow().clone();
        (view.state.numbers.len() == count).then_some(())
    })
    .await;
}

async fn damaged_and_renewed(change: impl Fn(u8) -> u8) {
    let site = Site::of(3);
    let mut nodes = site.nodes().await;
    let mut numbers = fill(&nodes).await;
    let group = nodes[0].coordinator.group(JOB).unwrap().group;
    let me = nodes[2].coordinator.me().id;
    nodes.remove(2).kill().await;
    assert_eq!(damage(site.dirs[2].path(), change), 1);
    let found = found(site.dirs[2].path(), me);
    assert!(found.len() == 1 && found[0].key.group == group.0 && found[0].key.incarnation == 0, "{found:?}");
    assert!(found[0].first == found[0].last && found[0].offset > 0, "{found:?}");
    let back = site.node(2).await;
    assert_eq!(back.numbers(OTHER).await.len(), numbers.len());
    nodes[0].put(JOB, 30).await.unwrap();
    numbers.push(30);
    let renewed = RaftId::new(MemberNumber(3), Incarnation(1));
    eventually("its replica is renewed", || async {
        let row = nodes[0].coordinator.directory().job(JOB)?.clone();
        (row.plan.is_none() && row.replicas.contains(&renewed) && row.replicas.len() == 3).then_some(())
    })
    .await;
    holds(&back, numbers.len()).await;
    assert_eq!(quarantined(&back), []);
    // It votes again: without it there is no majority.
    nodes.remove(0).kill().await;
    back.put(JOB, 31).await.unwrap();
    numbers.push(31);
    assert_eq!(back.numbers(JOB).await, numbers);
    nodes.push(back);
    kill_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_with_a_flipped_bit_is_renewed_on_its_own_member_and_no_write_is_lost() {
    damaged_and_renewed(|byte| byte ^ 0x10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_with_a_zeroed_byte_is_renewed_on_its_own_member_and_no_write_is_lost() {
    damaged_and_renewed(|_| 0).await;
}

/// Without it the replica would begin anew under a name that has voted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_lost_its_snapshot_is_renewed_and_never_starts_empty() {
    let site = Site::of(3);
    let mut nodes = site.nodes().await;
    nodes[0].register(JOB).await.unwrap();
    for number in 0..400 {
        nodes[0].put(JOB, number).await.unwrap();
    }
    eventually("its log is purged", || async {
        nodes[2].coordinator.group(JOB)?.purged.filter(|at| *at > 0)
    })
    .await;
    let group = nodes[0].coordinator.group(JOB).unwrap().group;
    nodes.remove(2).kill().await;
    std::fs::remove_dir_all(site.dirs[2].path().join(format!("snapshots/{}-0", group.0))).unwrap();
    let back = site.node(2).await;
    let renewed = RaftId::new(MemberNumber(3), Incarnation(1));
    eventually("its replica is renewed", || async {
        let row = nodes[0].coordinator.directory().job(JOB)?.clone();
        (row.plan.is_none() && row.replicas.contains(&renewed)).then_some(())
    })
    .await;
    holds(&back, 400).await;
    nodes.push(back);
    kill_all(nodes).await;
}

/// The damaged replica might have promised its vote or hold the only copy of what it acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_replica_gives_nobody_a_majority() {
    let site = Site::of(3);
    let mut nodes = site.nodes().await;
    let numbers = fill(&nodes).await;
    let third = nodes[2].coordinator.me().id;
    nodes.remove(2).kill().await;
    nodes.remove(1).kill().await;
    nodes.remove(0).kill().await;
    assert_eq!(damage(site.dirs[2].path(), |byte| byte ^ 1), 1);
    assert_eq!(found(site.dirs[2].path(), third).len(), 1);
    // Founders one and three only: a majority by number, with one that remembers.
    let (first, third) = tokio::join!(site.node(0), site.node(2));
    assert_eq!(third.numbers(OTHER).await.len(), numbers.len());
    let written = tokio::time::timeout(std::time::Duration::from_secs(8), first.put(JOB, 99)).await;
    assert!(!matches!(written, Ok(Ok(_))), "{written:?}");
    let second = site.node(1).await;
    assert_eq!(second.put(JOB, 100).await.unwrap() as usize, second.numbers(JOB).await.len());
    assert_eq!(second.numbers(JOB).await[..numbers.len()], numbers);
    for node in [first, second, third] {
        node.kill().await;
    }
}

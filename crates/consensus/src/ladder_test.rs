//! Sleep, eviction and what brings groups back, in whole clusters.

use std::time::Duration;

use muster_runtime::Clock;
use muster_wire::JobId;

use crate::testing::cluster::{CALL, Node, Site, eventually, kill_all};
use crate::testing::ledger::owe;

const JOB: JobId = JobId(0x0192_0000_0000_7000_8000_0000_0000_0002);
const MANY: u128 = 40;
const SOON: Duration = Duration::from_secs(1);
/// The directory writes something every minute.
const BEFORE_OTHERS_WRITE: Duration = Duration::from_secs(30);
const NEVER: Duration = Duration::from_secs(600);

async fn all_see(nodes: &[Node], state: &str) {
    for node in nodes {
        node.sees(JOB, state).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_group_falls_asleep_and_takes_the_next_write_under_the_same_leader() {
    let site = Site::of(3).resting(SOON, NEVER);
    let nodes = site.nodes().await;
    nodes[0].register(JOB).await.unwrap();
    nodes[1].put(JOB, 1).await.unwrap();
    for number in [2, 3, 4] {
        all_see(&nodes, "asleep").await;
        nodes[number as usize % 3].put(JOB, number).await.unwrap();
    }
    assert_eq!(nodes[2].numbers(JOB).await, [1, 2, 3, 4]);
    let terms: Vec<u64> = nodes.iter().map(|node| node.coordinator.group(JOB).unwrap().term).collect();
    assert_eq!(terms, [1, 1, 1], "nobody was elected");
    kill_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_leaves_a_sleeping_group_asleep() {
    let site = Site::of(3).resting(SOON, NEVER);
    let nodes = site.nodes().await;
    nodes[0].register(JOB).await.unwrap();
    nodes[0].put(JOB, 1).await.unwrap();
    all_see(&nodes, "asleep").await;
    assert_eq!(nodes[0].numbers(JOB).await, [1]);
    assert_eq!(nodes[0].coordinator.group(JOB).unwrap().state, "asleep");
    kill_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_left_memory_is_read_and_written_at_every_node_and_after_restarts() {
    let site = Site::of(3).resting(SOON, SOON);
    let mut nodes = site.nodes().await;
    nodes[0].register(JOB).await.unwrap();
    for number in 0..3 {
        nodes[number as usize].put(JOB, number).await.unwrap();
        all_see(&nodes, "evicted").await;
    }
    assert_eq!(nodes[1].numbers(JOB).await, [0, 1, 2]);
    all_see(&nodes, "evicted").await;
    nodes.pop().unwrap().kill().await;
    let back = site.node(2).await;
    back.sees(JOB, "evicted").await;
    assert_eq!(back.put(JOB, 3).await.unwrap(), 4);
    assert_eq!(nodes[0].numbers(JOB).await, [0, 1, 2, 3]);
    nodes.push(back);
    kill_all(nodes).await;
}

/// Nobody writes anything after a cluster has become quiet: the notes would wait in memory, and the next start after a kill
/// would load what was at rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_groups_rest_is_on_disk_soon_after_the_last_fell_asleep() {
    let site = Site::of(3).resting(SOON, NEVER);
    let nodes = site.nodes().await;
    nodes[0].register(JOB).await.unwrap();
    nodes[0].put(JOB, 1).await.unwrap();
    all_see(&nodes, "asleep").await;
    for node in &nodes {
        let written = eventually("nothing waits for the log", || async {
            (node.coordinator.host.ground.wal.stats().queue_records == 0).then_some(())
        });
        tokio::time::timeout(BEFORE_OTHERS_WRITE, written).await.unwrap();
    }
    kill_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sleeping_group_whose_leader_died_takes_writes() {
    let site = Site::of(3).resting(SOON, NEVER);
    let mut nodes = site.nodes().await;
    nodes[0].register(JOB).await.unwrap();
    nodes[0].put(JOB, 1).await.unwrap();
    all_see(&nodes, "asleep").await;
    nodes.remove(0).kill().await;
    nodes[0].put(JOB, 2).await.unwrap();
    assert_eq!(nodes[1].numbers(JOB).await, [1, 2]);
    all_see(&nodes, "asleep").await;
    kill_all(nodes).await;
}

/// The leader's host would wake it first; it is dead, so another one does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_owed_wakes_a_group_that_left_memory_even_without_its_last_leader() {
    let site = Site::of(3).resting(SOON, SOON);
    let mut nodes = site.nodes().await;
    nodes[0].register(JOB).await.unwrap();
    let due_ms = Clock::system().unix_ms() + 12_000;
    nodes[0].coordinator.propose(JOB, owe(JOB, Some(due_ms)), CALL).await.unwrap();
    all_see(&nodes, "evicted").await;
    nodes.remove(0).kill().await;
    eventually("somebody leads what is due", || async {
        nodes.iter().any(|node| node.coordinator.led().borrow().contains_key(&JOB)).then_some(())
    })
    .await;
    assert!(Clock::system().unix_ms() >= due_ms);
    kill_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_groups_leave_memory_together_and_come_back() {
    let site = Site::of(3).resting(SOON, SOON);
    let nodes = site.nodes().await;
    let jobs: Vec<JobId> = (0..MANY).map(|number| JobId(JOB.0 + 1 + number)).collect();
    for (at, job) in jobs.iter().enumerate() {
        nodes[at % 3].register(*job).await.unwrap();
        nodes[at % 3].put(*job, 1).await.unwrap();
    }
    for node in &nodes {
        eventually("all have left memory", || async {
            (node.coordinator.counts().evicted == jobs.len()).then_some(())
        })
        .await;
    }
    for (at, job) in jobs.iter().enumerate() {
        assert_eq!(nodes[(at + 1) % 3].put(*job, 2).await.unwrap(), 2);
    }
    kill_all(nodes).await;
}

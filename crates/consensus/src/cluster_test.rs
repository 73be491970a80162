//! Whole clusters in one process.

use std::path::Path;
use std::time::Duration;

use muster_link::CallError;
use muster_wal::GroupKey;
use muster_wire::job::JobStatus;
use muster_wire::rpc::raft::{BirthSet, GroupFrame, RaftPreVote, RaftVote, RaftVoted, VoteFor};
use muster_wire::{Generation, GroupId, Incarnation, JobId, MemberNumber, NodeId, RaftId};

use crate::directory::testing::summary;
use crate::directory::{RegisterJob, Registered};
use crate::error::ProposeError;
use crate::host::standing::LedBy;
use crate::host::table::wal_key;
use crate::raft::opening::Opening;
use crate::raft::store::{until_durable, waiter};
use crate::status::Consistency;
use crate::testing::cluster::{CALL, Node, SOON, Site, eventually, kill_all, log_of, registration};
use crate::testing::ledger::end;

const JOB: JobId = JobId(0x0192_0000_0000_7000_8000_0000_0000_0001);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_takes_writes_at_every_node_and_every_node_reads_them() {
    let site = Site::of(3);
    let nodes = site.nodes().await;
    assert!(matches!(nodes[0].register(JOB).await.unwrap(), Registered::New { .. }));
    for (at, node) in nodes.iter().enumerate() {
        assert_eq!(node.put(JOB, at as u64).await.unwrap(), at as u64 + 1);
    }
    for node in &nodes {
        assert_eq!(node.numbers(JOB).await, [0, 1, 2]);
    }
    kill_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_leader_is_replaced_and_no_acknowledged_write_is_lost() {
    let site = Site::of(3);
    let mut nodes = site.nodes().await;
    nodes[0].register(JOB).await.unwrap();
    let mut acked = Vec::new();
    for number in 0..20 {
        nodes[number as usize % 3].put(JOB, number).await.unwrap();
        acked.push(number);
    }
    nodes.remove(0).kill().await;
    for number in 20..40 {
        nodes[number as usize % 2].put(JOB, number).await.unwrap();
        acked.push(number);
    }
    assert_eq!(nodes[0].numbers(JOB).await, acked);
    let back = site.node(0).await;
    assert_eq!(back.numbers(JOB).await, acked);
    nodes.push(back);
    kill_all(nodes).await;
    let nodes = site.nodes().await;
    assert_eq!(nodes[1].numbers(JOB).await, acked);
    nodes[2].put(JOB, 99).await.unwrap();
    kill_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_jobs_leader_is_known_when_its_registration_returns() {
    let site = Site::of(3);
    let nodes = site.nodes().await;
    let node = &nodes[1];
    let jobs = (0..64).map(|at| JobId(JOB.0 + at));
    let led = futures_util::future::join_all(jobs.map(|job| async move {
        node.register(job).await.unwrap();
        node.coordinator.leader(job)
    }));
    let me = Some(node.coordinator.me());
    assert_eq!(led.await.iter().filter(|leader| **leader != me).count(), 0);
    kill_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_begins_with_the_entry_that_it_is_registered_with_and_keeps_it() {
    let site = Site::of(3);
    let mut nodes = site.nodes().await;
    let founder = nodes.remove(0);
    let registered = founder.found(JOB, 7).await;
    assert!(matches!(registered, Registered::New { opened: true, .. }), "{registered:?}");
    let view = founder.coordinator.founded(JOB, registered, CALL).await.unwrap();
    assert!(view.state.numbers.iter().eq(&[7]));
    let status = founder.coordinator.group(JOB).unwrap();
    assert_eq!(status.last_log, Some(1), "the group's members, then the entry");
    let again = nodes[0].found(JOB, 8).await;
    assert!(matches!(again, Registered::Known { .. }), "{again:?}");
    assert!(nodes[0].coordinator.founded(JOB, again, CALL).await.is_none());
    founder.kill().await;
    assert_eq!(nodes[0].numbers(JOB).await, [7]);
    kill_all(nodes).await;
}

/// The founder is gone before anybody can have heard of the group from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_directory_has_taken_is_read_and_kept_wherever_and_however_early_one_asks() {
    let site = Site::of(3);
    let mut nodes = site.nodes().await;
    let founder = nodes.remove(2);
    for at in 0..10 {
        let job = JobId(JOB.0 + at);
        assert!(matches!(founder.found(job, 7).await, Registered::New { opened: true, .. }));
        assert_eq!(nodes[at as usize % 2].numbers(job).await, [7]);
    }
    let last = JobId(JOB.0 + 10);
    founder.found(last, 7).await;
    founder.kill().await;
    assert_eq!(nodes[0].put(last, 8).await.unwrap(), 2);
    kill_all(nodes).await;
}

/// A frame that arrives before the directory's news of its group makes a replica, unless that would begin without its entry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_replica_is_made_for_a_frame_without_the_opening_of_its_group() {
    let site = Site::of(3);
    let nodes = site.nodes().await;
    for (job, has_opening) in [(JobId(1), true), (JobId(2), false)] {
        let ask = early_vote((nodes[0].member(), nodes[1].member()), job, has_opening);
        drop(vote_of(&nodes, ask).await);
        assert_eq!(nodes[1].coordinator.host.slot(job).is_none(), has_opening);
    }
    kill_all(nodes).await;
}

/// The first node asks the second.
async fn vote_of(nodes: &[Node], ask: RaftVote) -> Result<RaftVoted, CallError> {
    let asker = &nodes[0].coordinator.host;
    asker.peers().call(nodes[1].member(), &RaftPreVote { ask }, CALL).await
}

fn early_vote((from, to): (MemberNumber, MemberNumber), job: JobId, has_opening: bool) -> RaftVote {
    let of = |member| RaftId::new(member, Incarnation(0));
    let frame = GroupFrame {
        group: GroupId(1_000_000),
        job,
        target: of(to),
        sender: of(from),
        set_index: 1_000_000,
        birth: Some(BirthSet { proposer: from, replicas: vec![from, to], has_opening }),
    };
    let vote = VoteFor { term: 2, node: of(from).0, committed: false };
    RaftVote { frame, vote, last: None, transfer: false }
}

/// A directory that is behind after a start may name a job that is over: its group must not begin anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_erased_is_not_born_again_from_its_row() {
    let site = Site::of(3);
    let nodes = site.nodes().await;
    let registered = nodes[0].found(JOB, 7).await;
    nodes[0].coordinator.founded(JOB, registered, CALL).await.unwrap();
    let key = wal_key(&nodes[0].coordinator.host.slot(JOB).unwrap().opening);
    let me = nodes[0].coordinator.me().id;
    kill_all(nodes).await;
    erase(&site.config(0).data_dir, (me, key)).await;
    let alone = site.node(0).await;
    let row = || async { alone.coordinator.directory().job(JOB).cloned() };
    let row = eventually("the row", row).await;
    let host = &alone.coordinator.host;
    assert!(row.opening.is_some() && host.ensure(host.my_opening(&row).unwrap()).is_err());
    assert!(host.slot(JOB).is_none());
    alone.kill().await;
}

/// Its last members may ask a removed replica for its vote, and name a directory that is newer than its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_removed_is_not_opened_for_a_frame() {
    let site = Site::of(3);
    let nodes = site.nodes().await;
    let asked = &nodes[1].coordinator.host;
    let ask = early_vote((nodes[0].member(), nodes[1].member()), JOB, false);
    asked.erase(GroupKey { group: ask.frame.group.0, incarnation: 0 }).await;
    assert!(vote_of(&nodes, ask).await.is_err() && asked.slot(JOB).is_none());
    kill_all(nodes).await;
}

/// Its callers are sent to the others, which may all be asleep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_added_is_blank_until_a_leader_fills_it() {
    let site = Site::of(3);
    let nodes = site.nodes().await;
    let alone = RegisterJob { replication: 1, ..registration(JOB, nodes[0].member()) };
    nodes[0].coordinator.register(alone, CALL).await.unwrap();
    eventually("the row", || async { nodes[1].coordinator.directory().job(JOB).cloned() }).await;
    let (host, other) = (&nodes[0].coordinator.host, &nodes[1].coordinator.host);
    let filled = host.slot(JOB).unwrap();
    let added = RaftId::new(nodes[1].member(), Incarnation(7));
    let blank = other.ensure(Opening { me: added, ..filled.opening.clone() }).unwrap();
    assert!(other.resident_as_is(&blank, host.clock().now() + CALL).await.unwrap().is_blank());
    assert!(!host.resident_as_is(&filled, host.clock().now() + CALL).await.unwrap().is_blank());
    kill_all(nodes).await;
}

/// The log forgets removals in time: such a replica would begin anew, and vote a second time in a term.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_the_directory_has_let_go_is_not_opened_for_a_frame() {
    let site = Site::of(3);
    let nodes = site.nodes().await;
    let (host, asked) = (&nodes[1].coordinator.host, nodes[1].member());
    let alone = RegisterJob { replication: 1, ..registration(JOB, nodes[0].member()) };
    nodes[0].coordinator.register(alone, CALL).await.unwrap();
    let row = || async { nodes[1].coordinator.directory().job(JOB).cloned() };
    let group = eventually("the row", row).await.group;
    for (job, group) in [(JOB, group), (JobId(2), GroupId(1))] {
        let mut ask = early_vote((nodes[0].member(), asked), job, false);
        ask.frame.group = group;
        assert!(vote_of(&nodes, ask).await.is_err() && host.slot(job).is_none());
    }
    kill_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_end_nobody_told_of_is_found_by_the_sweep() {
    let site = Site::of(3);
    let nodes = site.nodes().await;
    nodes[0].register(JOB).await.unwrap();
    nodes[1].put(JOB, 1).await.unwrap();
    let (host, other) = (&nodes[1].coordinator.host, nodes[2].member());
    let slot = host.slot(JOB).unwrap();
    let led_by = |generation| Some(LedBy { member: other, generation: Generation(generation), term: 1 });
    slot.standing.note_leader(led_by(host.peers().node(other).unwrap().generation.0));
    host.sweep();
    assert_eq!(slot.standing.gone(), None);
    slot.standing.note_leader(led_by(0));
    host.sweep();
    assert_eq!(slot.standing.gone(), Some(other));
    kill_all(nodes).await;
}

async fn erase(dir: &Path, (node, key): (NodeId, GroupKey)) {
    let wal = log_of(dir, node);
    let (done, durable) = waiter();
    wal.remove_group(key, done).unwrap();
    until_durable(durable).await.unwrap();
    wal.close().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_directory_lets_an_opening_go_when_its_group_has_it() {
    let site = Site::of(3);
    let nodes = site.nodes().await;
    nodes[0].found(JOB, 7).await;
    let has_opening = || nodes[0].coordinator.directory().job(JOB).unwrap().opening.is_some();
    assert!(has_opening());
    nodes[0].coordinator.set_summarizer(std::sync::Arc::new(|_| summary(1, JobStatus::Running)));
    eventually("the opening is let go", || async { (!has_opening()).then_some(()) }).await;
    kill_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_proposers_of_one_job_get_one_group() {
    let site = Site::of(3);
    let nodes = site.nodes().await;
    let (one, other) = tokio::join!(nodes[0].register(JOB), nodes[1].register(JOB));
    let news = [&one, &other].iter().filter(|outcome| matches!(outcome, Ok(Registered::New { .. }))).count();
    assert_eq!(news, 1, "{one:?} {other:?}");
    let (one, other) = tokio::join!(nodes[0].put(JOB, 1), nodes[1].put(JOB, 2));
    assert_eq!(one.unwrap() + other.unwrap(), 3);
    assert_eq!(nodes[2].numbers(JOB).await.len(), 2);
    kill_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retired_job_leaves_nothing_behind() {
    let site = Site::of(3);
    let nodes = site.nodes().await;
    nodes[0].register(JOB).await.unwrap();
    for number in 0..120 {
        nodes[0].put(JOB, number).await.unwrap();
    }
    nodes[1].coordinator.propose(JOB, end(JOB), CALL).await.unwrap();
    for node in &nodes {
        let host = &node.coordinator.host;
        eventually("the copy is destroyed", || async {
            let groups = host.ground.wal.groups();
            (node.coordinator.counts().total == 0 && groups.len() == 1).then_some(())
        })
        .await;
        let gone = node.coordinator.read(JOB, Consistency::Linearizable, CALL).await;
        assert!(matches!(gone, Err(ProposeError::Gone { .. })), "{gone:?}");
        let snapshots = std::fs::read_dir(&host.ground.snapshots).map(|dir| dir.count()).unwrap_or(0);
        assert!(snapshots <= 1, "only the directory's own may be left");
    }
    kill_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_one_serves_alone_and_again_after_a_restart() {
    let site = Site::of(1);
    let node = site.nodes().await.remove(0);
    node.register(JOB).await.unwrap();
    node.put(JOB, 7).await.unwrap();
    node.kill().await;
    let node = site.node(0).await;
    assert_eq!(node.numbers(JOB).await, [7]);
    node.put(JOB, 8).await.unwrap();
    node.kill().await;
}

/// A node that was away longer than the log is kept gets a snapshot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_is_caught_up_by_a_snapshot() {
    let site = Site::of(3);
    let mut nodes = site.nodes().await;
    nodes[0].register(JOB).await.unwrap();
    nodes.pop().unwrap().kill().await;
    for number in 0..400 {
        nodes[0].put(JOB, number).await.unwrap();
    }
    eventually("the log is shortened", || async {
        let purged = nodes[0].coordinator.group(JOB).and_then(|group| group.purged);
        purged.filter(|purged| *purged > 100)
    })
    .await;
    let back = site.node(2).await;
    eventually("the snapshot and the rest have come", || async {
        let view = back.coordinator.read(JOB, Consistency::Stale, CALL).await.ok()?;
        (view.state.numbers.len() == 400).then_some(())
    })
    .await;
    nodes.push(back);
    kill_all(nodes).await;
    let nodes = site.nodes().await;
    assert_eq!(nodes[2].numbers(JOB).await, (0..400).collect::<Vec<u64>>());
    kill_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fourth_node_joins_reads_without_a_replica_and_gets_jobs() {
    let site = Site::of(3);
    let mut nodes = site.nodes().await;
    nodes[0].register(JOB).await.unwrap();
    nodes[1].put(JOB, 5).await.unwrap();
    let joiner = site.joiner("m4").await;
    joiner.sees_active(4).await;
    assert_eq!(joiner.numbers(JOB).await, [5]);
    joiner.put(JOB, 6).await.unwrap();
    assert_eq!(nodes[0].numbers(JOB).await, [5, 6]);
    let other = JobId(JOB.0 + 1);
    assert!(matches!(joiner.register(other).await.unwrap(), Registered::New { .. }));
    joiner.put(other, 1).await.unwrap();
    assert!(joiner.coordinator.led().borrow().contains_key(&other));
    eventually("it votes in the directory", || async {
        let status = joiner.coordinator.directory_status();
        status.replicas.iter().any(|replica| replica.node.0 == 4 && replica.state == "voter").then_some(())
    })
    .await;
    nodes.push(joiner);
    kill_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_over_without_a_lost_write() {
    let site = Site::of(3);
    let nodes = site.nodes().await;
    nodes[0].register(JOB).await.unwrap();
    nodes[0].put(JOB, 1).await.unwrap();
    let to = nodes[1].member();
    nodes[0].coordinator.hand_over(JOB, to, CALL).await.unwrap();
    nodes[2].put(JOB, 2).await.unwrap();
    assert_eq!(nodes[0].coordinator.leader(JOB).map(|leader| leader.member), Some(to));
    assert_eq!(nodes[0].numbers(JOB).await, [1, 2]);
    kill_all(nodes).await;
}

/// Simulated, seed 3: nobody else could be reached when the lead was given away. The others soon sleep again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_was_handed_over_to_nobody_is_led_again() {
    let site = Site::of(3).resting(Duration::from_millis(100), SOON);
    let nodes = site.nodes().await;
    nodes[0].register(JOB).await.unwrap();
    nodes[0].put(JOB, 1).await.unwrap();
    for node in &nodes {
        node.sees(JOB, "asleep").await;
    }
    let group = nodes[0].coordinator.host.slot(JOB).unwrap().running().unwrap();
    group.hand_over(RaftId::new(MemberNumber(9), Incarnation(0)).0).await.unwrap();
    eventually("somebody takes the next write", || async { nodes[0].put(JOB, 2).await.ok() }).await;
    assert_ne!(nodes[0].coordinator.leader(JOB).map(|leader| leader.member), Some(nodes[0].member()));
    assert_eq!(nodes[2].numbers(JOB).await, [1, 2]);
    kill_all(nodes).await;
}

/// Simulated, seed 14375: Raft knew of no entry on disk there but those that came after the restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_just_opened_takes_the_lead_that_it_is_offered() {
    let site = Site::of(3).resting(Duration::from_millis(100), SOON);
    let mut nodes = site.nodes().await;
    nodes[0].register(JOB).await.unwrap();
    nodes[0].put(JOB, 1).await.unwrap();
    for node in &nodes {
        node.sees(JOB, "asleep").await;
    }
    nodes.remove(1).kill().await;
    let back = site.node(1).await;
    let group = nodes[0].coordinator.host.slot(JOB).unwrap().running().unwrap();
    group.offer(RaftId::new(back.member(), Incarnation(0)), CALL).await.unwrap();
    eventually("it leads", || async { (back.coordinator.group(JOB)?.role == "leader").then_some(()) }).await;
    nodes.push(back);
    kill_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_jobs_of_a_dead_node_are_all_led_again() {
    let site = Site::of(3);
    let mut nodes = site.nodes().await;
    let jobs: Vec<JobId> = (0..100).map(|at| JobId(JOB.0 + at)).collect();
    for job in &jobs {
        nodes[0].register(*job).await.unwrap();
        nodes[0].put(*job, 1).await.unwrap();
    }
    nodes.remove(0).kill().await;
    for job in &jobs {
        nodes[1].put(*job, 2).await.unwrap();
        assert_eq!(nodes[0].numbers(*job).await, [1, 2]);
    }
    kill_all(nodes).await;
}

/// Raft replicates before its own flush: after a power cut the leader may lack an entry that the others acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_lost_its_unflushed_tail_never_reuses_an_acknowledged_log_id() {
    let site = Site::of(3);
    let nodes = site.nodes().await;
    nodes[0].register(JOB).await.unwrap();
    nodes[0].put(JOB, 1).await.unwrap();
    nodes[0].put(JOB, 2).await.unwrap();
    let group = nodes[0].coordinator.group(JOB).unwrap();
    assert_eq!((group.role, group.term), ("leader", 1));
    for node in &nodes {
        eventually("the last write is everywhere", || async {
            (node.coordinator.group(JOB)?.last_log == group.last_log).then_some(())
        })
        .await;
    }
    kill_all(nodes).await;
    cut_tail(site.dirs[0].path(), group.group.0, group.last_log.unwrap());
    let nodes = site.nodes().await;
    assert_eq!(nodes[0].put(JOB, 3).await.unwrap(), 3);
    for node in &nodes {
        assert_eq!(node.numbers(JOB).await, [1, 2, 3]);
        let group = node.coordinator.group(JOB).unwrap();
        assert!(group.term > 1, "{group:?}");
    }
    kill_all(nodes).await;
}

/// As if the last entry had never reached the disk.
fn cut_tail(dir: &std::path::Path, group: u64, last: u64) {
    let identity = crate::identity::open(dir, "m1", muster_wire::Role::Manager).unwrap();
    let options = muster_wal::Options::new(identity.node.0.to_be_bytes());
    let wal = muster_wal::Wal::open(&dir.join("wal"), options).unwrap();
    let log = wal.open_group(muster_wal::GroupKey { group, incarnation: 0 }).unwrap();
    let (told, durable) = std::sync::mpsc::channel();
    log.truncate_after(Some(last - 1), Box::new(move |done| told.send(done).unwrap())).unwrap();
    durable.recv().unwrap().unwrap();
    drop(log);
    wal.close().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_members_replicas_move_to_a_spare_and_its_own_copy_goes_when_it_is_back() {
    let site = Site::of(4);
    let mut nodes = site.nodes().await;
    nodes[0].register(JOB).await.unwrap();
    for number in 0..30 {
        nodes[0].put(JOB, number).await.unwrap();
    }
    for node in &nodes {
        node.coordinator.set_replace_after(std::time::Duration::from_millis(100));
    }
    nodes.remove(0).kill().await;
    eventually("the spare has the place", || async {
        let row = nodes[0].coordinator.directory().job(JOB)?.clone();
        (row.plan.is_none() && row.replicas.iter().all(|id| id.member().0 != 1)).then_some(())
    })
    .await;
    nodes[2].put(JOB, 30).await.unwrap();
    for node in &nodes {
        eventually("it holds a full replica", || async {
            let view = node.coordinator.watch(JOB)?.borrow().clone();
            (view.state.numbers.len() == 31).then_some(())
        })
        .await;
    }
    let back = site.node(0).await;
    eventually("its old copy is destroyed", || async {
        let host = &back.coordinator.host;
        (back.coordinator.counts().total == 0 && host.ground.wal.groups().len() == 1).then_some(())
    })
    .await;
    assert_eq!(back.numbers(JOB).await.len(), 31);
    nodes.push(back);
    kill_all(nodes).await;
}

use std::path::Path;
use std::time::Duration;

use muster_wire::job::{AttemptState, ExitKind};
use muster_wire::rpc::RpcError;
use muster_wire::rpc::worker::{AdoptJob, ForgetJob, ReadShardLog, StartReply, StartShard, StopShards};
use muster_wire::{Generation, Token};

use super::testkit::{JOB, Manager, SOON, key, reserve, until, worker, worker_with};
use crate::process::leftovers;
use crate::store::{Kept, read};

/// Runs until the file `go` is in its folder.
const WAITS: &str = "touch ready; while [ ! -e go ]; do sleep 0.02; done; echo went";

fn work(folder: &Path, shard: u32) -> std::path::PathBuf {
    folder.join(format!("jobs/{JOB}/0-{shard}-1/work"))
}

async fn let_go(folder: &Path, shard: u32) {
    let work = work(folder, shard);
    until(|| work.join("ready").exists()).await;
    std::fs::write(work.join("go"), b"").unwrap();
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

fn log(shard: u32, offset: Option<u64>) -> ReadShardLog {
    ReadShardLog { job: JOB, key: key(shard, 1), offset, limit: u32::MAX }
}

#[tokio::test]
async fn a_shard_is_reserved_started_told_of_and_its_result_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Manager::start(1).await;
    let worker = worker(folder.path(), &[&manager]).await;
    manager
        .launch(&worker, key(0, 1), &format!(r#"echo '::muster {{"output": {{"n": 7}}}}'; {WAITS}"#))
        .await;
    until(|| manager.with(|book| !book.progress.is_empty())).await;
    let progress = manager.with(|book| book.progress[0].clone());
    assert_eq!((progress.rows[0].key, progress.rows[0].state), (key(0, 1), AttemptState::Running));
    let_go(folder.path(), 0).await;
    let result = manager.results(1).await.remove(0);
    assert!(result.exit.is_success() && result.outputs["n"].to_plain() == "7");
    until(|| read(folder.path()) == Kept::default()).await;
    let chunk = manager.call(&worker, &log(0, Some(0))).await.unwrap();
    assert_eq!((chunk.bytes.as_slice(), chunk.finished, chunk.truncated), (&b"went\n"[..], true, false));
    let tail = ReadShardLog { limit: 3, ..log(0, None) };
    assert_eq!(manager.call(&worker, &tail).await.unwrap().bytes, b"nt\n");
    worker.shutdown(SOON).await.unwrap();
}

#[tokio::test]
async fn a_start_without_its_reservation_is_refused_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Manager::start(1).await;
    let worker = worker(folder.path(), &[&manager]).await;
    let refused = |reply: StartReply| matches!(reply, StartReply::Refused { .. });
    let order = manager.order(key(0, 1), "true");
    assert!(refused(manager.call(&worker, &order).await.unwrap()));
    assert!(matches!(manager.call(&worker, &reserve(key(0, 1))).await, Err(RpcError::Refused { .. })));
    manager.call(&worker, &reserve(key(1, 1))).await.unwrap();
    let stale = StartShard { generation: Generation(99), ..manager.order(key(1, 1), "true") };
    assert!(refused(manager.call(&worker, &stale).await.unwrap()));
    worker.shutdown(SOON).await.unwrap();
}

#[tokio::test]
async fn a_started_attempt_never_starts_again_and_older_tokens_are_fenced() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Manager::start(1).await, Manager::start(2).await);
    let worker = worker(folder.path(), &[&old, &new]).await;
    old.launch(&worker, key(0, 1), WAITS).await;
    let adopt = AdoptJob { job: JOB, token: Token(2), manager: new.me.clone() };
    let held = new.call(&worker, &adopt).await.unwrap();
    assert_eq!(held.attempts, [(key(0, 1), AttemptState::Running)]);
    let again = StartShard { token: Token(2), ..new.order(key(0, 1), "false") };
    let reply = new.call(&worker, &again).await.unwrap();
    assert_eq!(reply, StartReply::Started { state: AttemptState::Running });
    assert_eq!(old.call(&worker, &reserve(key(1, 1))).await, Err(RpcError::Fenced { by: Token(2) }));
    let_go(folder.path(), 0).await;
    assert!(new.results(1).await[0].exit.is_success());
    assert!(old.with(|book| book.results.is_empty()));
    worker.shutdown(SOON).await.unwrap();
}

#[tokio::test]
async fn a_result_finds_the_manager_that_leads_after_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second, other) = (Manager::start(1).await, Manager::start(2).await, Manager::start(3).await);
    let worker = worker(folder.path(), &[&first, &second, &other]).await;
    first.launch(&worker, key(0, 1), WAITS).await;
    second.lead(2);
    first.kill().await;
    let_go(folder.path(), 0).await;
    let results = second.results(1).await;
    assert_eq!((results[0].key, results[0].token), (key(0, 1), Token(2)));
    until(|| read(folder.path()).owed.is_empty()).await;
    assert!(other.with(|book| book.results.is_empty()));
    worker.shutdown(SOON).await.unwrap();
}

#[tokio::test]
async fn a_fenced_result_is_kept_and_sent_under_the_next_token() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Manager::start(1).await;
    let worker = worker(folder.path(), &[&manager]).await;
    manager.with(|book| book.refusal = Some(RpcError::Fenced { by: Token(2) }));
    manager.launch(&worker, key(0, 1), "true").await;
    until(|| !read(folder.path()).owed.is_empty()).await;
    manager.lead(2);
    manager.with(|book| book.refusal = None);
    assert_eq!(manager.results(1).await[0].key, key(0, 1));
    worker.shutdown(SOON).await.unwrap();
}

#[tokio::test]
async fn results_and_lost_attempts_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Manager::start(1).await;
    let first = worker(folder.path(), &[&manager]).await;
    manager.with(|book| book.refusal = Some(RpcError::Busy { retry_after_ms: 1 }));
    manager.launch(&first, key(0, 1), "exit 3").await;
    manager.launch(&first, key(1, 1), "touch ready; sleep 1000").await;
    until(|| work(folder.path(), 1).join("ready").exists()).await;
    until(|| !read(folder.path()).owed.is_empty()).await;
    first.shutdown(Duration::from_secs(5)).await.unwrap();
    drop(first);
    let second = worker(folder.path(), &[&manager]).await;
    manager.with(|book| book.refusal = None);
    let mut results = manager.results(2).await;
    results.sort_by_key(|result| result.key);
    assert_eq!((results[0].key, results[0].exit.code), (key(0, 1), Some(3)));
    assert_eq!((results[1].key, results[1].exit.kind), (key(1, 1), ExitKind::Lost));
    assert!(results.iter().all(|result| result.worker.id == second.base.identity.node));
    second.shutdown(SOON).await.unwrap();
}

#[tokio::test]
async fn what_ran_when_the_worker_was_killed_is_reported_lost_by_its_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Manager::start(1).await;
    let first = worker(folder.path(), &[&manager]).await;
    manager.launch(&first, key(0, 1), WAITS).await;
    until(|| work(folder.path(), 0).join("ready").exists()).await;
    let records = folder.path().join("records");
    let while_it_ran = std::fs::read(&records).unwrap();
    first.shutdown(SOON).await.unwrap();
    let generation = first.base.identity.generation;
    drop(first);
    until(|| manager.with(|book| book.results.len() == 1)).await;
    // As a kill leaves it: the record that it runs, and no result.
    std::fs::write(&records, while_it_ran).unwrap();
    let second = worker(folder.path(), &[&manager]).await;
    let result = manager.results(2).await.remove(1);
    assert_eq!((result.key, result.exit.kind), (key(0, 1), ExitKind::Lost));
    assert!(result.worker.generation > generation && result.worker == second_ref(&second));
    until(|| read(folder.path()) == Kept::default()).await;
    second.shutdown(SOON).await.unwrap();
}

fn second_ref(worker: &crate::WorkerNode) -> muster_wire::NodeRef {
    muster_wire::NodeRef {
        id: worker.base.identity.node,
        generation: worker.base.identity.generation,
        member: Default::default(),
        name: String::new(),
        addr: String::new(),
    }
}

#[tokio::test]
async fn a_job_without_a_manager_is_stopped_after_the_grace_and_reported_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Manager::start(1).await, Manager::start(2).await);
    let worker = worker_with(folder.path(), &[&first, &second], Duration::from_secs(1)).await;
    first.launch(&worker, key(0, 1), "touch ready; sleep 1000").await;
    until(|| work(folder.path(), 0).join("ready").exists()).await;
    first.kill().await;
    until(|| !read(folder.path()).owed.is_empty()).await;
    second.lead(2);
    let result = second.results(1).await.remove(0);
    assert_eq!(result.exit.kind, ExitKind::Lost);
    worker.shutdown(SOON).await.unwrap();
}

#[tokio::test]
async fn a_stop_ends_the_processes_and_bars_what_never_started() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Manager::start(1).await;
    let worker = worker(folder.path(), &[&manager]).await;
    manager.launch(&worker, key(0, 1), "touch ready; sleep 1000").await;
    until(|| work(folder.path(), 0).join("ready").exists()).await;
    let stop = StopShards { job: JOB, token: Token(1), keys: vec![key(0, 1), key(1, 1)], grace_ms: Some(50) };
    let reply = manager.call(&worker, &stop).await.unwrap();
    assert!(reply.stopped.contains(&key(1, 1)), "{reply:?}");
    assert_eq!(manager.results(1).await[0].exit.kind, ExitKind::Cancelled);
    assert!(manager.call(&worker, &stop).await.unwrap().stopping.is_empty());
    assert!(matches!(manager.call(&worker, &reserve(key(1, 1))).await, Err(RpcError::Refused { .. })));
    worker.shutdown(SOON).await.unwrap();
}

#[tokio::test]
async fn a_forgotten_job_leaves_only_its_logs() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Manager::start(1).await;
    let worker = worker(folder.path(), &[&manager]).await;
    manager.with(|book| book.refusal = Some(RpcError::Busy { retry_after_ms: 1 }));
    manager.launch(&worker, key(0, 1), "echo done").await;
    manager.launch(&worker, key(1, 1), "touch ready; sleep 1000").await;
    until(|| work(folder.path(), 1).join("ready").exists()).await;
    manager.call(&worker, &ForgetJob { job: JOB, token: Token(1) }).await.unwrap();
    until(|| is_empty(&folder.path().join("jobs")) && read(folder.path()) == Kept::default()).await;
    assert_eq!(manager.call(&worker, &log(0, None)).await.unwrap().bytes, b"done\n");
    until(|| leftovers::find(&folder.path().canonicalize().unwrap().join("jobs")).is_empty()).await;
    worker.shutdown(SOON).await.unwrap();
}

#[tokio::test]
async fn the_end_of_a_long_log_is_followed_while_its_attempt_runs_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Manager::start(1).await;
    let worker = worker(folder.path(), &[&manager]).await;
    manager.launch(&worker, key(0, 1), &format!("seq 1 300000; {WAITS}")).await;
    until(|| work(folder.path(), 0).join("ready").exists()).await;
    let tail = ReadShardLog { limit: 14, ..log(0, None) };
    let chunk = manager.call(&worker, &tail).await.unwrap();
    assert_eq!(
        (chunk.bytes.as_slice(), chunk.finished, chunk.truncated),
        (&b"299999\n300000\n"[..], false, true)
    );
    let_go(folder.path(), 0).await;
    manager.results(1).await;
    let next = chunk.offset + chunk.bytes.len() as u64;
    until(|| read(folder.path()).begun.is_empty()).await;
    let rest = manager.call(&worker, &log(0, Some(next))).await.unwrap();
    assert_eq!((rest.bytes.as_slice(), rest.finished), (&b"went\n"[..], true));
    // From the beginning: the head, a line for the gap, the tail.
    let (mut text, mut offset) = (Vec::new(), 0);
    loop {
        let piece = manager.call(&worker, &log(0, Some(offset))).await.unwrap();
        offset = piece.offset + piece.bytes.len() as u64;
        text.extend(piece.bytes);
        if piece.finished {
            break;
        }
    }
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("1\n2\n") && text.ends_with("300000\nwent\n"));
    assert_eq!(text.matches("bytes left out]").count(), 1);
    worker.shutdown(SOON).await.unwrap();
}

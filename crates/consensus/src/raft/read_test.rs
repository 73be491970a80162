//! Reads beside writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use muster_runtime::{TaskKind, TaskScope};
use muster_wire::JobId;
use tokio::runtime::Runtime;

use crate::testing::cluster::{Node, SOON, Site};

const JOB: JobId = JobId(0x0192_0000_0000_7000_8000_0000_0000_0002);
const READER: TaskKind = TaskKind::new("reader");
const READERS: usize = 4;
const WRITES: u64 = 1500;

/// A reader that borrows the state twice waits for the applier, which waits for the reader: a thread of the runtime is
/// gone, and with it the whole node.
#[test]
fn readers_never_hold_up_the_applier() {
    let (done, ended) = mpsc::channel();
    // In a thread of its own, and never dropped: a runtime that is stuck would not let this test fail.
    std::thread::spawn(move || {
        let runtime = Box::leak(Box::new(Runtime::new().unwrap()));
        runtime.block_on(write_beside_readers());
        done.send(()).unwrap();
    });
    ended.recv_timeout(SOON).expect("the node stopped answering");
}

async fn write_beside_readers() {
    let site = Site::of(1);
    let node = Arc::new(site.node(0).await);
    node.sees_active(1).await;
    node.register(JOB).await.unwrap();
    let (readers, enough) = (TaskScope::new(), Arc::new(AtomicBool::new(false)));
    for _ in 0..READERS {
        let (node, enough) = (node.clone(), enough.clone());
        readers.spawn(READER, |_| read_until(node, enough));
    }
    for number in 0..WRITES {
        node.put(JOB, number).await.unwrap();
    }
    enough.store(true, Ordering::Relaxed);
    readers.shutdown(SOON).await.unwrap();
    assert_eq!(node.numbers(JOB).await.len() as u64, WRITES);
}

async fn read_until(node: Arc<Node>, enough: Arc<AtomicBool>) {
    while !enough.load(Ordering::Relaxed) {
        node.numbers(JOB).await;
    }
}

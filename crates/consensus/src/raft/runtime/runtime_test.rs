use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Wake, Waker};

use futures_util::FutureExt as _;
use openraft::async_runtime::{
    Mpsc as _, MpscReceiver as _, MpscSender as _, Watch as _, WatchReceiver as _, WatchSender as _,
};
use openraft_rt::testing::Suite;

use super::*;

/// openraft's own tests of a runtime: tasks, timers, queues, watched values.
#[test]
fn it_is_a_runtime_for_openraft() {
    Suite::<Runtime>::test_all();
}

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn sleeper() -> (Arc<Woken>, Waker) {
    let woken = Arc::new(Woken::default());
    (woken.clone(), woken.into())
}

fn waits(future: impl Future, waker: &Waker) -> bool {
    Box::pin(future).poll_unpin(&mut Context::from_waker(waker)).is_pending()
}

/// A receiver may be moved from one task to another while it waits.
#[test]
fn a_change_wakes_whoever_waited_last_and_each_receiver_once() {
    let (sender, mut receiver) = LeanWatch::channel(0);
    let mut other = sender.subscribe();
    let ((first, one), (last, two), (third, three)) = (sleeper(), sleeper(), sleeper());
    assert!(waits(receiver.changed(), &one) && waits(receiver.changed(), &two));
    assert!(waits(receiver.changed(), &two) && waits(other.changed(), &three));
    sender.send(1).unwrap();
    let count = |woken: &Woken| woken.0.load(Ordering::SeqCst);
    assert_eq!((count(&first), count(&last), count(&third)), (0, 1, 1));
    assert!(!waits(receiver.changed(), &two), "it has not seen the change yet");
}

#[test]
fn a_receiver_that_is_gone_is_not_kept() {
    let (sender, mut receiver) = LeanWatch::channel(0);
    let (woken, waker) = sleeper();
    assert!(waits(receiver.changed(), &waker));
    drop((receiver, waker));
    assert_eq!(Arc::strong_count(&woken), 1);
    assert!(sender.send(1).is_err());
}

/// Who still could send does not keep the task of a receiver that is gone.
#[test]
fn a_receiver_of_a_queue_that_is_gone_is_not_kept() {
    let (sender, mut receiver) = LeanMpsc::channel::<u8>(1);
    let (woken, waker) = sleeper();
    assert!(waits(receiver.recv(), &waker));
    drop((receiver, waker));
    assert_eq!(Arc::strong_count(&woken), 1);
    drop(sender);
}

/// The end of a race between a change and a receiver that is about to wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_last_change_is_missed() {
    for _ in 0..2000 {
        let (sender, mut receiver) = LeanWatch::channel(0);
        let seeing = Runtime::spawn(async move { receiver.wait_until_ge(&20).await.unwrap() });
        (1..=20).for_each(|value| assert!(sender.send_if_greater(value)));
        assert_eq!(seeing.await.unwrap(), 20);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_many_send_through_a_small_queue_arrives_in_the_order_of_each() {
    let (sender, mut receiver) = LeanMpsc::channel(2);
    for who in 0..4 {
        let sender = sender.clone();
        drop(Runtime::spawn(async move {
            for number in 0..1000 {
                sender.send((who, number)).await.unwrap();
            }
        }));
    }
    drop(sender);
    let mut next = [0; 4];
    while let Some((who, number)) = receiver.recv().await {
        assert_eq!(next[who], number);
        next[who] += 1;
    }
    assert_eq!(next, [1000; 4]);
}

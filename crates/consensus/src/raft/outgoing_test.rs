use std::time::Duration;

use futures_util::stream;
use muster_wire::{GroupId, RaftId};
use openraft::Vote;
use openraft::entry::RaftEntry as _;
use tokio::sync::mpsc;

use super::super::pace::Pace;
use super::super::types::{Entry, LogId};
use super::*;

const PATIENCE: Duration = Duration::from_millis(20);

fn at(index: u64) -> LogId {
    LogId::new(openraft::vote::RaftLeaderId::new(1, 1), index)
}

/// What a leader sends whose log ends at `prev` with these further entries, up to `committed` committed.
fn request(prev: u64, entries: std::ops::Range<u64>, committed: u64) -> Request {
    Request {
        vote: Vote::new_committed(1, 1),
        prev_log_id: Some(at(prev)),
        entries: entries.map(|index| Entry::new_blank(at(index))).collect(),
        leader_commit: Some(at(committed)),
    }
}

fn requests() -> (mpsc::Sender<Request>, BoxStream<'static, Request>) {
    let (sender, receiver) = mpsc::channel(4);
    let alone = Arc::new(Pace::new(GroupId(1), PATIENCE)).join(RaftId(2));
    let input =
        stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
    (sender, fewer_requests(input.boxed(), Arc::new(alone)))
}

/// Index of the commit, number of entries.
fn told(request: Option<Request>) -> Option<(u64, usize)> {
    request.map(|request| (request.leader_commit.unwrap().index, request.entries.len()))
}

#[tokio::test(start_paused = true)]
async fn a_commit_goes_with_the_entries_that_follow() {
    let (sender, mut sent) = requests();
    sender.try_send(request(1, 0..0, 1)).unwrap();
    sender.try_send(request(1, 2..3, 1)).unwrap();
    assert_eq!(told(sent.next().await), Some((1, 1)));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_nothing_follows_goes_alone_and_the_newest_does() {
    let (sender, mut sent) = requests();
    sender.try_send(request(1, 0..0, 1)).unwrap();
    sender.try_send(request(2, 0..0, 2)).unwrap();
    let begun = Instant::now();
    assert_eq!(told(sent.next().await), Some((2, 0)));
    assert_eq!(begun.elapsed(), PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn entries_do_not_wait() {
    let (sender, mut sent) = requests();
    sender.try_send(request(1, 2..4, 1)).unwrap();
    let begun = Instant::now();
    assert_eq!(told(sent.next().await), Some((1, 2)));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_input_lets_the_last_one_go_at_once() {
    let (sender, mut sent) = requests();
    sender.try_send(request(1, 0..0, 1)).unwrap();
    drop(sender);
    let begun = Instant::now();
    assert_eq!(told(sent.next().await), Some((1, 0)));
    assert!(sent.next().await.is_none());
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

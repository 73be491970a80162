use std::sync::Mutex;

use futures_util::stream;
use openraft::Vote;
use openraft::entry::RaftEntry as _;

use super::super::types::Entry;
use super::*;
use Told::{Matches, Refused, TryAgain};

fn at(index: u64) -> LogId {
    LogId::new(openraft::vote::RaftLeaderId::new(1, 1), index)
}

#[derive(PartialEq, Eq, Debug)]
enum Told {
    Matches(u64),
    Refused,
    TryAgain,
}

fn told(answer: Appended) -> Told {
    match answer {
        Ok(Ok(upto)) => Matches(upto.unwrap().index),
        Ok(Err(_)) => Refused,
        Err(_) => TryAgain,
    }
}

/// The request with one entry of this index.
fn request(index: u64) -> Request {
    Request {
        vote: Vote::new_committed(1, 1),
        prev_log_id: Some(at(index - 1)),
        entries: vec![Entry::new_blank(at(index))],
        leader_commit: None,
    }
}

/// A follower that answers after so long, and refuses the entry of index 9.
struct Follower {
    answers_after: Duration,
    /// When each request came, in ms, and its index.
    came: Mutex<Vec<(u128, u64)>>,
    since: Instant,
}

impl Follower {
    fn new(answers_after_ms: u64) -> Self {
        let answers_after = Duration::from_millis(answers_after_ms);
        Self { answers_after, came: Mutex::default(), since: Instant::now() }
    }

    async fn answer(&self, request: Request) -> Answer {
        let index = request.entries[0].log_id.index;
        self.came.lock().unwrap().push((self.since.elapsed().as_millis(), index));
        tokio::time::sleep(self.answers_after).await;
        match index {
            9 => Ok(AppendEntriesResponse::Conflict),
            _ => Ok(AppendEntriesResponse::Success),
        }
    }

    /// Sends requests of these indexes; what openraft is told of each.
    async fn sent(&self, indexes: std::ops::Range<u64>) -> Vec<Told> {
        let distance = Distance::default();
        let requests = stream::iter(indexes.map(request));
        let answers = pipelined(requests, &distance, |request| self.answer(request));
        answers.map(told).collect().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_near_follower_has_one_request_at_a_time() {
    let follower = Follower::new(2);
    assert_eq!(follower.sent(1..5).await, [Matches(1), Matches(2), Matches(3), Matches(4)]);
    assert_eq!(*follower.came.lock().unwrap(), [(0, 1), (2, 2), (4, 3), (6, 4)]);
}

#[tokio::test(start_paused = true)]
async fn a_far_follower_is_sent_the_next_requests_before_it_has_answered() {
    let follower = Follower::new(40);
    let answered = follower.sent(1..4).await;
    assert_eq!(answered, [Matches(1), Matches(2), Matches(3)]);
    assert_eq!(*follower.came.lock().unwrap(), [(0, 1), (40, 2), (45, 3)], "how far it is was known at 40");
}

#[tokio::test(start_paused = true)]
async fn no_more_than_eight_requests_are_under_way() {
    let distance = Distance::default();
    distance.note(Duration::from_millis(8));
    let follower = Follower::new(1000);
    let requests = stream::iter((10..30).map(request));
    let mut answers = pipelined(requests, &distance, |request| follower.answer(request));
    drop(answers.next().await);
    assert_eq!(follower.came.lock().unwrap().len(), UNDER_WAY_MAX as usize);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_the_last_answer() {
    assert_eq!(Follower::new(40).sent(9..12).await, [Refused]);
}

/// It may have come before the one that it follows: openraft panics if what was acknowledged is refused later.
#[tokio::test(start_paused = true)]
async fn the_refusal_of_a_request_that_went_beside_others_is_no_refusal() {
    assert_eq!(Follower::new(40).sent(7..12).await, [Matches(7), Matches(8), TryAgain]);
}

use futures_util::FutureExt as _;

use super::*;

const REST: Duration = Duration::from_millis(100);

/// A group whose followers are 0, 1, 2 …, in this order.
struct Followers {
    pace: Arc<Pace>,
    seats: Vec<Seat>,
}

impl Followers {
    fn new(count: u64) -> Self {
        Self::of(Pace::new(GroupId(0), REST), count)
    }

    fn of(pace: Pace, count: u64) -> Self {
        let pace = Arc::new(pace);
        let seats = (0..count).map(|at| pace.join(RaftId(at))).collect();
        Self { pace, seats }
    }

    /// Each is sent the entry of this index and answers within a millisecond.
    async fn all_take(&self, upto: u64) {
        for at in 0..self.seats.len() {
            self.takes(at, upto, Duration::from_millis(1)).await;
        }
    }

    async fn takes(&self, at: usize, upto: u64, took: Duration) {
        let answer = tokio::time::sleep(took).map(|()| Ok::<_, ()>(AppendEntriesResponse::Success));
        let _ = self.seats[at].sent(upto, answer, || true).await;
    }

    async fn fails(&self, at: usize) {
        let _ = self.seats[at].sent(2, std::future::ready(Err(())), || true).await;
    }

    /// Who rests now.
    fn resting(&self) -> Vec<usize> {
        let rests = |at: &usize| self.seats[*at].rest().now_or_never().is_none();
        (0..self.seats.len()).filter(rests).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn whom_a_majority_needs_never_rests() {
    for (count, resting) in [(1, vec![]), (2, vec![1]), (3, vec![2]), (4, vec![2, 3])] {
        let followers = Followers::new(count);
        assert_eq!(followers.resting(), [0; 0], "nobody has answered");
        followers.all_take(1).await;
        assert_eq!(followers.resting(), resting, "{count} followers");
    }
}

#[tokio::test(start_paused = true)]
async fn the_group_begins_the_order() {
    let followers = Followers::of(Pace::new(GroupId(7), REST), 2);
    followers.all_take(1).await;
    assert_eq!(followers.resting(), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_rest_ends_in_time() {
    let followers = Followers::new(2);
    followers.all_take(1).await;
    let begun = Instant::now();
    assert_eq!(followers.seats[1].rest().await, Duration::ZERO, "then no news waits");
    assert_eq!(begun.elapsed(), REST - Duration::from_millis(1));
    assert_eq!(followers.seats[1].rest().await, REST, "what is new goes at once");
}

#[tokio::test(start_paused = true)]
async fn nobody_rests_beside_one_that_is_slower() {
    let followers = Followers::new(2);
    followers.takes(0, 1, Duration::from_millis(13)).await;
    followers.takes(1, 1, Duration::from_millis(1)).await;
    assert_eq!(followers.resting(), [0; 0]);
    followers.takes(0, 2, Duration::from_millis(11)).await;
    assert_eq!(followers.resting(), [1]);
}

#[tokio::test(start_paused = true)]
async fn nobody_rests_beside_one_that_does_not_answer() {
    let followers = Followers::new(2);
    followers.all_take(1).await;
    let mut waiting = Box::pin(followers.takes(0, 2, Duration::from_secs(5)));
    assert!(waiting.as_mut().now_or_never().is_none());
    assert_eq!(followers.resting(), [1], "not yet");
    tokio::time::advance(Duration::from_millis(13)).await;
    assert_eq!(followers.resting(), [0; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_answer_ends_a_rest() {
    let followers = Followers::new(2);
    followers.all_take(1).await;
    let mut rest = Box::pin(followers.seats[1].rest());
    assert!(rest.as_mut().now_or_never().is_none());
    followers.fails(0).await;
    assert!(rest.now_or_never().is_some());
    assert_eq!(followers.resting(), [0; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_ends_a_rest() {
    let mut followers = Followers::new(2);
    followers.all_take(1).await;
    let resting = followers.seats.pop().unwrap();
    let mut rest = Box::pin(resting.rest());
    assert!(rest.as_mut().now_or_never().is_none());
    drop(followers.seats);
    assert!(rest.now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn in_a_hurry_nobody_rests() {
    let followers = Followers::new(2);
    followers.all_take(1).await;
    let mut rest = Box::pin(followers.seats[1].rest());
    assert!(rest.as_mut().now_or_never().is_none());
    followers.pace.hurry(Duration::from_millis(10));
    assert!(rest.now_or_never().is_some());
    assert_eq!(followers.resting(), [0; 0]);
    tokio::time::advance(Duration::from_millis(10)).await;
    assert_eq!(followers.resting(), [1]);
}

#[tokio::test(start_paused = true)]
async fn who_is_behind_does_not_rest() {
    let followers = Followers::new(2);
    followers.takes(0, 2 + BEHIND_MAX, Duration::ZERO).await;
    followers.takes(1, 1, Duration::ZERO).await;
    assert_eq!(followers.resting(), [0; 0]);
    followers.takes(1, 2, Duration::ZERO).await;
    assert_eq!(followers.resting(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_rest_ends_when_much_is_new() {
    let followers = Followers::new(2);
    followers.all_take(1).await;
    let mut rest = Box::pin(followers.seats[1].rest());
    followers.takes(0, 1 + BEHIND_MAX, Duration::ZERO).await;
    assert!(rest.as_mut().now_or_never().is_none());
    followers.takes(0, 2 + BEHIND_MAX, Duration::ZERO).await;
    assert!(rest.now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn where_none_may_rest_none_does() {
    let followers = Followers::of(Pace::new(GroupId(0), Duration::ZERO), 2);
    followers.all_take(1).await;
    assert_eq!(followers.resting(), [0; 0]);
}

//! What one follower is sent: to one that is far away, requests go beside each other; to one that is near, each waits for
//! the answer to the one before, and takes along what came meanwhile.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, Fuse, FuturesOrdered, Stream, StreamExt as _};
use muster_runtime::is_sabotaged;
use openraft::errors::{NetworkError, RPCError};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, StreamAppendResult};
use tokio::time::Instant;

use super::types::{LogId, Types};

type Request = AppendEntriesRequest<Types>;
type Answer = Result<AppendEntriesResponse<Types>, RPCError<Types>>;
pub(super) type Appended = Result<StreamAppendResult<Types>, RPCError<Types>>;

/// A member that never answered sooner is far.
const FAR: Duration = Duration::from_millis(3);
/// Requests under way to one that is far, spread over the time that an answer takes.
const UNDER_WAY_MAX: u32 = 8;

/// How far a member is: the shortest time in which one of its replicas answered. Load delays answers, but not all of them.
#[derive(Default)]
pub(crate) struct Distance {
    /// Zero while nothing was answered.
    micros: AtomicU64,
}

impl Distance {
    fn note(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let known = self.micros.load(Ordering::Relaxed);
        if known == 0 || took < known {
            self.micros.store(took, Ordering::Relaxed);
        }
    }

    pub(super) fn is_near(&self) -> bool {
        self.spacing().is_none()
    }

    /// How long after a request the next one goes that does not wait for its answer; none if it waits.
    fn spacing(&self) -> Option<Duration> {
        let distance = Duration::from_micros(self.micros.load(Ordering::Relaxed));
        (distance > FAR).then(|| distance / UNDER_WAY_MAX)
    }
}

/// Sends the requests in order, and gives the answers in order, up to the first that is not a whole success.
pub(super) fn pipelined<'s, S, F, Fut>(
    requests: S,
    distance: &'s Distance,
    send: F,
) -> BoxStream<'s, Appended>
where
    S: Stream<Item = Request> + Send + Unpin + 's,
    F: Fn(Request) -> Fut + Send + 's,
    Fut: Future<Output = Answer> + Send + 's,
{
    let (requests, under_way, last_at) = (requests.fuse(), FuturesOrdered::new(), Instant::now());
    let pipeline = Pipeline { requests, send, under_way, distance, last_at };
    stream::unfold(Some(pipeline), |pipeline| async move { pipeline?.next().await }).boxed()
}

struct Pipeline<'s, S, F> {
    requests: Fuse<S>,
    send: F,
    under_way: FuturesOrdered<BoxFuture<'s, Ended>>,
    distance: &'s Distance,
    /// When the newest request went.
    last_at: Instant,
}

/// A request that was answered.
struct Ended {
    result: Appended,
    is_whole: bool,
}

impl<'s, S, F, Fut> Pipeline<'s, S, F>
where
    S: Stream<Item = Request> + Send + Unpin + 's,
    F: Fn(Request) -> Fut + Send + 's,
    Fut: Future<Output = Answer> + Send + 's,
{
    async fn next(mut self) -> Option<(Appended, Option<Self>)> {
        let ended = match (self.under_way.is_empty(), self.distance.spacing()) {
            (true, None) => self.next_of_one().await?,
            (_, spacing) => self.next_of_many(spacing.unwrap_or(Duration::MAX)).await?,
        };
        Some((ended.result, ended.is_whole.then_some(self)))
    }

    async fn next_of_one(&mut self) -> Option<Ended> {
        let request = self.requests.next().await?;
        Some(self.begin(request).await)
    }

    async fn next_of_many(&mut self, spacing: Duration) -> Option<Ended> {
        loop {
            let wait = self.wait(spacing);
            tokio::select! {
                biased;
                Some(ended) = self.under_way.next() => return Some(ended),
                Some(request) = next_from(&mut self.requests, wait) => {
                    let ended = self.begin(request);
                    self.under_way.push_back(Box::pin(ended));
                }
                else => return None,
            }
        }
    }

    /// Until when the next request waits; none if it waits for an answer.
    fn wait(&self, spacing: Duration) -> Option<Instant> {
        match self.under_way.len() {
            0 => Some(self.last_at),
            some if some < UNDER_WAY_MAX as usize => self.last_at.checked_add(spacing),
            _ => None,
        }
    }

    fn begin(&mut self, request: Request) -> impl Future<Output = Ended> + Send + use<'s, S, F, Fut> {
        self.last_at = Instant::now();
        let sent = Sent {
            prev: request.prev_log_id,
            last: request.entries.last().map_or(request.prev_log_id, |entry| Some(entry.log_id)),
            is_alone: self.under_way.is_empty(),
        };
        ended(sent, (self.send)(request), self.distance)
    }
}

async fn next_from<S>(requests: &mut Fuse<S>, due: Option<Instant>) -> Option<Request>
where
    S: Stream<Item = Request> + Unpin,
{
    tokio::time::sleep_until(due?).await;
    requests.next().await
}

/// A request under way.
struct Sent {
    prev: Option<LogId>,
    last: Option<LogId>,
    /// No other was under way when it went.
    is_alone: bool,
}

async fn ended(sent: Sent, answer: impl Future<Output = Answer>, distance: &Distance) -> Ended {
    let begun = Instant::now();
    let answer = answer.await.and_then(|answer| sent.in_order(answer));
    if answer.is_ok() {
        distance.note(begun.elapsed());
    }
    let is_whole = sent.is_whole(&answer);
    Ended { result: answer.map(|answer| answer.into_stream_result(sent.prev, sent.last)), is_whole }
}

/// It came before the request that it follows, over another link for example.
#[derive(Debug, thiserror::Error)]
#[error("an append did not come after the one before it")]
struct OutOfOrder;

impl Sent {
    /// Of one that went beside others a conflict says nothing of the follower's log. openraft would take it for the loss of
    /// what the follower had acknowledged, and stop the group: it is told to try again.
    fn in_order(&self, answer: AppendEntriesResponse<Types>) -> Answer {
        match (&answer, self.is_alone || is_sabotaged("append-order")) {
            (AppendEntriesResponse::Conflict, false) => {
                Err(RPCError::Network(NetworkError::new(&OutOfOrder)))
            }
            _ => Ok(answer),
        }
    }

    fn is_whole(&self, answer: &Answer) -> bool {
        match answer {
            Ok(AppendEntriesResponse::Success) => true,
            Ok(AppendEntriesResponse::PartialSuccess(upto)) => *upto == self.last,
            Ok(AppendEntriesResponse::Conflict | AppendEntriesResponse::HigherVote(_)) | Err(_) => false,
        }
    }
}

#[cfg(test)]
#[path = "pipeline_test.rs"]
mod pipeline_test;

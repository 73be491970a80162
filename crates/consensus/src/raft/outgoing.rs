//! What a leader has to tell one follower, in fewer requests.
//!
//! openraft tells of each commit at once, in a request of its own if there are no entries to go with it. Most of a job's
//! entries come in bursts, so most of these requests are followed by entries that say the same.

use std::sync::Arc;

use futures_util::stream::{self, BoxStream, Fuse, Stream, StreamExt as _};
use openraft::raft::AppendEntriesRequest;
use tokio::time::Instant;

use super::pace::Seat;
use super::types::Types;

type Request = AppendEntriesRequest<Types>;

/// The requests of `input`, without those that tell only of a commit and are followed by another one in time. Each one that is
/// left tells the newest commit, and none with entries waits, unless the follower rests.
pub(super) fn fewer_requests<S>(input: S, seat: Arc<Seat>) -> BoxStream<'static, Request>
where
    S: Stream<Item = Request> + Send + Unpin + 'static,
{
    let outgoing = Outgoing { input: input.fuse(), seat };
    stream::unfold(outgoing, |mut outgoing| async move { Some((outgoing.next().await?, outgoing)) }).boxed()
}

struct Outgoing<S> {
    input: Fuse<S>,
    seat: Arc<Seat>,
}

impl<S: Stream<Item = Request> + Unpin> Outgoing<S> {
    async fn next(&mut self) -> Option<Request> {
        let patience = self.seat.rest().await;
        let mut next = self.input.next().await?;
        let until = Instant::now() + patience;
        while next.entries.is_empty() {
            let Ok(Some(later)) = tokio::time::timeout_at(until, self.input.next()).await else { break };
            next = later;
        }
        Some(next)
    }
}

#[cfg(test)]
#[path = "outgoing_test.rs"]
mod outgoing_test;

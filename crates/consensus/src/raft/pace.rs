//! Which followers of a group are sent entries at once, and which only every so often.
//!
//! A majority is enough to commit. While those followers that make it one answer as they should, the others are sent what
//! is new once in a while, many entries in one request (`docs/decisions/049`).

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use muster_wire::{GroupId, RaftId};
use openraft::raft::AppendEntriesResponse;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::types::Types;

/// A follower that is this much slower than one that rests still answers as it should: twice the time, and this.
const SLACK: Duration = Duration::from_millis(10);
/// A follower that is further behind the others does not rest: what is taken in at one go delays what comes meanwhile.
const BEHIND_MAX: u64 = 128;

/// What the streams to all followers of a group know of each other.
pub(crate) struct Pace {
    /// It begins the order of the followers, as it does that of campaigns: who is sent entries at once also succeeds.
    group: GroupId,
    /// How long a follower may be without what is new; zero if none may.
    pub(crate) rest: Duration,
    seats: Mutex<Seats>,
    /// Who rests need not any more.
    hurried: Notify,
}

#[derive(Default)]
struct Seats {
    /// In the order of their replicas.
    rows: Vec<Row>,
    next_key: u64,
    hurry_until: Option<Instant>,
}

/// One stream.
struct Row {
    key: u64,
    to: RaftId,
    /// When the newest request with entries went, and its last entry.
    last: Option<(Instant, u64)>,
    is_waiting: bool,
    /// How long the last answer took; none if it was no success, or the follower is far.
    took: Option<Duration>,
}

impl Pace {
    pub(crate) fn new(group: GroupId, rest: Duration) -> Self {
        Self { group, rest, seats: Mutex::default(), hurried: Notify::new() }
    }

    /// A stream to this follower begins; it is forgotten with the seat.
    pub(super) fn join(self: &Arc<Self>, to: RaftId) -> Seat {
        let mut seats = self.seats();
        let key = seats.next_key;
        seats.next_key += 1;
        let at = seats.rows.partition_point(|row| row.to <= to);
        seats.rows.insert(at, Row { key, to, last: None, is_waiting: false, took: None });
        drop(seats);
        Seat { pace: self.clone(), key }
    }

    /// What has been written by now goes to everybody at once, and so does what is written for this long.
    pub(crate) fn hurry(&self, lasting: Duration) {
        let mut seats = self.seats();
        seats.hurry_until = seats.hurry_until.max(Some(Instant::now() + lasting));
        drop(seats);
        self.hurried.notify_waiters();
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    /// A request with entries goes. Is somebody too far behind it to rest?
    fn begin(&mut self, key: u64, last: (Instant, u64)) -> bool {
        let upto = last.1;
        if let Some(row) = self.row(key) {
            (row.last, row.is_waiting) = (Some(last), true);
        }
        self.rows.iter().any(|row| row.upto() + BEHIND_MAX < upto)
    }

    fn end(&mut self, key: u64, took: Option<Duration>) {
        if let Some(row) = self.row(key) {
            (row.took, row.is_waiting) = (took, false);
        }
    }

    fn row(&mut self, key: u64) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.key == key)
    }

    /// Until when this follower rests, if enough of those before it answer as they should.
    fn rests_until(&self, (key, group): (u64, GroupId), rest: Duration) -> Option<Instant> {
        let (mine, now) = (self.rows.iter().find(|row| row.key == key)?, Instant::now());
        let until = mine.last?.0 + rest;
        let answering = self.before(key, group).filter(|other| other.answers_like(mine, now)).count();
        let is_enough = answering >= self.rows.len().div_ceil(2);
        (is_enough && self.hurry_until.is_none_or(|hurry| hurry <= now) && now < until).then_some(until)
    }

    /// The followers before this one.
    fn before(&self, key: u64, group: GroupId) -> impl Iterator<Item = &Row> {
        let first = (group.0 as usize).checked_rem(self.rows.len()).unwrap_or(0);
        let (late, early) = self.rows.split_at(first);
        early.iter().chain(late).take_while(move |row| row.key != key)
    }
}

impl Row {
    /// Does this follower answer about as fast as that one, which is not far behind it?
    fn answers_like(&self, other: &Self, now: Instant) -> bool {
        let (Some(took), Some(other_took)) = (self.took, other.took) else { return false };
        let waits = self.last.filter(|_| self.is_waiting).map_or(Duration::ZERO, |(begun, _)| now - begun);
        took.max(waits) <= other_took * 2 + SLACK && self.upto() <= other.upto() + BEHIND_MAX
    }

    fn upto(&self) -> u64 {
        self.last.map_or(0, |(_, upto)| upto)
    }
}

/// One stream's place.
pub(super) struct Seat {
    pace: Arc<Pace>,
    key: u64,
}

impl Seat {
    /// Waits while this follower may rest. How long the news of a commit may wait for entries from then on.
    pub(super) async fn rest(&self) -> Duration {
        let hurried = self.pace.hurried.notified();
        let key = (self.key, self.pace.group);
        let Some(until) = self.pace.seats().rests_until(key, self.pace.rest) else { return self.pace.rest };
        tracing::trace!(group = %self.pace.group, "a follower rests");
        tokio::select! {
            () = tokio::time::sleep_until(until) => (),
            () = hurried => (),
        }
        Duration::ZERO
    }

    /// Notes how a request whose last entry is `upto` is answered.
    pub(super) async fn sent<E>(
        &self,
        upto: u64,
        answer: impl Future<Output = Result<AppendEntriesResponse<Types>, E>>,
        is_near: impl Fn() -> bool,
    ) -> Result<AppendEntriesResponse<Types>, E> {
        let begun = Instant::now();
        if self.pace.seats().begin(self.key, (begun, upto)) {
            self.pace.hurried.notify_waiters();
        }
        let answer = answer.await;
        let is_success = matches!(answer, Ok(AppendEntriesResponse::Success));
        let took = (is_success && is_near()).then(|| begun.elapsed());
        self.pace.seats().end(self.key, took);
        if !is_success {
            self.pace.hurried.notify_waiters();
        }
        answer
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.pace.seats().rows.retain(|row| row.key != self.key);
        self.pace.hurried.notify_waiters();
    }
}

#[cfg(test)]
#[path = "pace_test.rs"]
mod pace_test;

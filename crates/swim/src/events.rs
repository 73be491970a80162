//! The view as others see it: a snapshot, and bounded streams of its changes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use muster_wire::{NodeId, Role};
use tokio::sync::mpsc;

use crate::model::{Event, Member, State};

/// Events that wait for one slow subscriber; more are left out and counted in [`Event::Lagged`].
pub(crate) const EVENTS_QUEUE_MAX: usize = 1024;

/// Whose changes a subscriber wants. What concerns this node itself comes in any case.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// Of nodes in these roles; empty: of all.
    pub roles: Vec<Role>,
    /// Of nodes in these datacenters; empty: of all.
    pub dcs: Vec<String>,
}

impl Filter {
    fn is_open(&self) -> bool {
        self.roles.is_empty() && self.dcs.is_empty()
    }

    fn passes(&self, member: &Member) -> bool {
        (self.roles.is_empty() | self.roles.contains(&member.meta.role))
            & (self.dcs.is_empty() | self.dcs.contains(&member.meta.dc))
    }

    fn passes_event(&self, event: &Event, members: &[Member]) -> bool {
        let Some(id) = event.subject().filter(|_| !self.is_open()) else { return true };
        find(members, id).is_none_or(|member| self.passes(member))
    }

    fn select(&self, members: &Arc<Vec<Member>>) -> Arc<Vec<Member>> {
        match self.is_open() {
            true => members.clone(),
            false => Arc::new(members.iter().filter(|member| self.passes(member)).cloned().collect()),
        }
    }
}

/// A member of a view, which is sorted by id.
pub(crate) fn find(members: &[Member], id: NodeId) -> Option<&Member> {
    let at = members.binary_search_by_key(&id, |member| member.id).ok()?;
    members.get(at)
}

/// The changes since a subscription. Dropping it ends the subscription.
pub struct Events {
    queue: mpsc::Receiver<(u64, Event)>,
    missed: Arc<AtomicU64>,
    seq: u64,
}

impl Events {
    /// The next change; [`Event::Lagged`] after a gap, `None` when the detector has stopped. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        match self.queued() {
            Some(event) => Some(event),
            None => self.queue.recv().await.map(|numbered| self.number(numbered)),
        }
    }

    /// The number of the last event that was read: events of one node are counted, and a gap in the numbers is what
    /// a filter or [`Event::Lagged`] has left out. That of the snapshot before the first.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    fn queued(&mut self) -> Option<Event> {
        match self.queue.try_recv() {
            Ok(numbered) => Some(self.number(numbered)),
            Err(_) => self.take_gap(),
        }
    }

    fn number(&mut self, (seq, event): (u64, Event)) -> Event {
        self.seq = seq;
        event
    }

    fn take_gap(&self) -> Option<Event> {
        match self.missed.swap(0, Ordering::AcqRel) {
            0 => None,
            missed => Some(Event::Lagged { missed }),
        }
    }
}

struct Subscriber {
    queue: mpsc::Sender<(u64, Event)>,
    missed: Arc<AtomicU64>,
    filter: Filter,
}

impl Subscriber {
    /// Once something is missed, everything is until the subscriber knows, so that a gap is never inside a stream.
    fn tell(&self, seq: u64, event: &Event) {
        let gap = self.missed.load(Ordering::Acquire) > 0;
        if gap || self.queue.try_send((seq, event.clone())).is_err() {
            self.missed.fetch_add(1, Ordering::AcqRel);
        }
    }
}

#[derive(Default)]
struct Inner {
    members: Arc<Vec<Member>>,
    seq: u64,
    subscribers: Vec<Subscriber>,
    stopped: bool,
}

impl Inner {
    fn tell(&mut self, event: &Event) {
        self.seq += 1;
        for subscriber in self.subscribers.iter().filter(|it| it.filter.passes_event(event, &self.members)) {
            subscriber.tell(self.seq, event);
        }
    }
}

/// The latest snapshot and who wants its changes; both change together.
#[derive(Default)]
pub(crate) struct Published(Mutex<Inner>);

impl Published {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn snapshot(&self) -> Arc<Vec<Member>> {
        self.inner().members.clone()
    }

    pub(crate) fn subscribe(&self, filter: Filter) -> (Arc<Vec<Member>>, Events) {
        let (sender, queue) = mpsc::channel(EVENTS_QUEUE_MAX);
        let missed = Arc::new(AtomicU64::new(0));
        let mut inner = self.inner();
        let members = filter.select(&inner.members);
        if !inner.stopped {
            inner.subscribers.push(Subscriber { queue: sender, missed: missed.clone(), filter });
        }
        (members, Events { queue, missed, seq: inner.seq })
    }

    pub(crate) fn publish(&self, members: Vec<Member>, events: &[Event]) {
        count(&members, events);
        let mut inner = self.inner();
        inner.members = Arc::new(members);
        inner.subscribers.retain(|subscriber| !subscriber.queue.is_closed());
        events.iter().for_each(|event| inner.tell(event));
    }

    /// Ends every stream once it is read empty.
    pub(crate) fn stop(&self) {
        let mut inner = self.inner();
        inner.stopped = true;
        inner.subscribers.clear();
    }
}

fn count(members: &[Member], events: &[Event]) {
    for state in State::ALL {
        let number = members.iter().filter(|member| member.state == state).count();
        metrics::gauge!("muster_swim_members", "state" => state.name()).set(number as f64);
    }
    for event in events {
        metrics::counter!("muster_swim_events_total", "event" => event.name()).increment(1);
        if let Event::SelfHealth { lhm } = event {
            metrics::gauge!("muster_swim_health").set(f64::from(*lhm));
        }
    }
}

#[cfg(test)]
#[path = "events_test.rs"]
mod events_test;

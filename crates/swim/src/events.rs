//! The view as others see it: a snapshot, and bounded streams of its changes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::model::{Event, Member, State};

/// Events that wait for one slow subscriber; more are left out and counted in [`Event::Lagged`].
pub(crate) const EVENTS_QUEUE_MAX: usize = 1024;

/// The changes since a subscription. Dropping it ends the subscription.
pub struct Events {
    queue: mpsc::Receiver<Event>,
    missed: Arc<AtomicU64>,
}

impl Events {
    /// The next change; [`Event::Lagged`] after a gap, `None` when the detector has stopped. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        match self.queued() {
            Some(event) => Some(event),
            None => self.queue.recv().await,
        }
    }

    fn queued(&mut self) -> Option<Event> {
        self.queue.try_recv().ok().or_else(|| self.take_gap())
    }

    fn take_gap(&self) -> Option<Event> {
        match self.missed.swap(0, Ordering::AcqRel) {
            0 => None,
            missed => Some(Event::Lagged { missed }),
        }
    }
}

struct Subscriber {
    queue: mpsc::Sender<Event>,
    missed: Arc<AtomicU64>,
}

impl Subscriber {
    /// Once something is missed, everything is until the subscriber knows, so that a gap is never inside a stream.
    fn tell(&self, event: &Event) {
        let gap = self.missed.load(Ordering::Acquire) > 0;
        if gap || self.queue.try_send(event.clone()).is_err() {
            self.missed.fetch_add(1, Ordering::AcqRel);
        }
    }
}

#[derive(Default)]
struct Inner {
    members: Arc<Vec<Member>>,
    subscribers: Vec<Subscriber>,
    stopped: bool,
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

    pub(crate) fn subscribe(&self) -> (Arc<Vec<Member>>, Events) {
        let (sender, queue) = mpsc::channel(EVENTS_QUEUE_MAX);
        let missed = Arc::new(AtomicU64::new(0));
        let mut inner = self.inner();
        if !inner.stopped {
            inner.subscribers.push(Subscriber { queue: sender, missed: missed.clone() });
        }
        (inner.members.clone(), Events { queue, missed })
    }

    pub(crate) fn publish(&self, members: Vec<Member>, events: &[Event]) {
        count(&members, events);
        let mut inner = self.inner();
        inner.members = Arc::new(members);
        inner.subscribers.retain(|subscriber| !subscriber.queue.is_closed());
        for event in events {
            inner.subscribers.iter().for_each(|subscriber| subscriber.tell(event));
        }
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
    }
}

#[cfg(test)]
#[path = "events_test.rs"]
mod events_test;

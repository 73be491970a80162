//! Pinging for others, and telling them when there is no answer.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_wire::NodeId;

use crate::body::{Message, Refusal};
use crate::frame::Sender;

use super::timers::Timer;
use super::{Core, Target};

/// Pings under way for others.
pub(super) const RELAYS_MAX: usize = 1024;

#[derive(Clone)]
struct Relay {
    asker: (Target, NodeId),
    seq: u64,
    target: NodeId,
}

#[derive(Default)]
pub(super) struct Relays(BTreeMap<u64, Relay>);

impl Relays {
    #[cfg(any(test, feature = "sim"))]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Core {
    /// Only known members are pinged for others: nobody is made to send where a stranger points.
    pub(super) fn on_ping_req(&mut self, asker: (Target, NodeId), (seq, target): (u64, NodeId)) {
        if self.relays.0.len() >= RELAYS_MAX {
            return self.drop_packet(Refusal::Busy);
        }
        let relay = Relay { asker, seq, target };
        if !self.table.is_live(target) {
            return self.send_nack(&relay);
        }
        let own = self.probing.next_seq();
        self.relays.0.insert(own, relay);
        self.timers.set(Timer::Nack(own), self.now + self.nack_after());
        self.timers.set(Timer::Relay(own), self.now + self.tuning.probe_interval);
        self.ping(target, own);
    }

    /// In time for the asker, which waits from its own timeout to the end of its interval.
    fn nack_after(&self) -> Duration {
        let rest = self.tuning.probe_interval.saturating_sub(self.tuning.probe_timeout);
        self.tuning.probe_timeout.min(rest.mul_f64(0.8))
    }

    pub(super) fn nack(&mut self, own: u64) {
        if let Some(relay) = self.relays.0.get(&own).cloned() {
            self.send_nack(&relay);
        }
    }

    fn send_nack(&mut self, relay: &Relay) {
        let (to, receiver) = relay.asker.clone();
        self.send(to, (Some(receiver), Message::Nack { seq: relay.seq, about: relay.target }), &[]);
    }

    pub(super) fn end_relay(&mut self, own: u64) {
        self.relays.0.remove(&own);
        self.timers.cancel(Timer::Nack(own));
        self.timers.cancel(Timer::Relay(own));
    }

    pub(super) fn answer_relay(&mut self, own: u64, from: Sender) {
        let Some(relay) = self.relays.0.get(&own).filter(|relay| relay.target == from.id).cloned() else {
            return;
        };
        self.end_relay(own);
        let (to, receiver) = relay.asker;
        let message = Message::Relayed { seq: relay.seq, about: from.id, generation: from.generation };
        self.send(to, (Some(receiver), message), &[]);
    }
}

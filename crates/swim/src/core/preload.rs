//! What simulations need of a core beside the protocol.

use crate::body::Record;

use super::Core;
use super::queue::Queue;

impl Core {
    /// Puts a whole view in, as if it had been there for long: for simulations of large clusters.
    pub fn preload(&mut self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            self.table.merge(&record, self.now);
            if let Some(peer) = self.table.get_mut(record.id) {
                peer.knows_me = true;
            }
        }
        self.queue = Queue::default();
        self.note_joined();
    }

    /// Members known, and entries in everything else that grows.
    pub fn load(&self) -> (usize, usize) {
        (self.table.iter().count(), self.timers.len() + self.queue.len() + self.relays.len())
    }

    /// What this node says about itself.
    pub fn own_record(&self) -> Record {
        self.me.full(self.id)
    }
}

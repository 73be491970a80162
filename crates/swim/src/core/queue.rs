//! What is still to be told around: at most one entry per node, told a bounded number of times.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use muster_wire::NodeId;

#[derive(Default)]
pub(crate) struct Queue {
    entries: BTreeMap<NodeId, Entry>,
    pushed: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    told: u32,
    pushed: u64,
}

impl Queue {
    /// There is news of this node; what was told before does not count.
    pub(crate) fn push(&mut self, id: NodeId) {
        self.pushed += 1;
        self.entries.insert(id, Entry { told: 0, pushed: self.pushed });
    }

    /// It was told once more; after `most` times it is news no longer.
    pub(crate) fn told(&mut self, id: NodeId, most: u32) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.told += 1;
        if entry.told >= most {
            self.entries.remove(&id);
        }
    }

    /// The least told first, of those the latest.
    pub(crate) fn order(&self) -> Vec<NodeId> {
        let mut order: Vec<_> =
            self.entries.iter().map(|(id, entry)| (entry.told, Reverse(entry.pushed), *id)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, _, id)| id).collect()
    }

    pub(crate) fn contains(&self, id: NodeId) -> bool {
        self.entries.contains_key(&id)
    }

    pub(crate) fn remove(&mut self, id: NodeId) {
        self.entries.remove(&id);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

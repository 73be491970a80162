//! What is still to be told around: at most one entry per node, told a bounded number of times.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use muster_wire::NodeId;

/// How a piece of news is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Manner {
    /// In the usual rounds, to those who know the process.
    Brief,
    /// In the usual rounds with metadata: for some it is the first they hear of it.
    Full,
    /// Somebody is gone: the first rounds follow each other quickly.
    Hasty,
}

#[derive(Default)]
pub(crate) struct Queue {
    entries: BTreeMap<NodeId, Entry>,
    pushed: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    told: u32,
    pushed: u64,
    manner: Manner,
}

impl Queue {
    /// There is news of this node; what was told before does not count. Metadata that was still to be told goes along.
    pub(crate) fn push(&mut self, id: NodeId, manner: Manner) {
        self.pushed += 1;
        let owed = self.entries.get(&id).is_some_and(|entry| entry.manner == Manner::Full);
        let manner = if owed & (manner == Manner::Brief) { Manner::Full } else { manner };
        self.entries.insert(id, Entry { told: 0, pushed: self.pushed, manner });
    }

    /// It was told once more; after `most` times it is news no longer.
    pub(crate) fn told(&mut self, id: NodeId, most: u32) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.told += 1;
        if entry.told >= most {
            self.entries.remove(&id);
        }
    }

    /// The least told first; of those the hasty, then the latest.
    pub(crate) fn order(&self) -> Vec<NodeId> {
        let key = |(id, entry): (&NodeId, &Entry)| {
            (entry.told, Reverse(entry.manner == Manner::Hasty), Reverse(entry.pushed), *id)
        };
        let mut order: Vec<_> = self.entries.iter().map(key).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, _, _, id)| id).collect()
    }

    pub(crate) fn manner(&self, id: NodeId) -> Option<Manner> {
        self.entries.get(&id).map(|entry| entry.manner)
    }

    /// Is there hasty news that was told fewer than `most` times?
    pub(crate) fn is_hasty(&self, most: u32) -> bool {
        self.entries.values().any(|entry| entry.manner == Manner::Hasty && entry.told < most)
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

    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

//! The worker processes that attempts name, so that a row holds a small number instead of a node.

use imbl::{OrdMap, Vector};
use muster_machine::Reason;
use muster_wire::{Generation, NodeId, NodeRef};
use serde::{Deserialize, Serialize};

use super::limits::NODES_MAX;

/// Worker processes by their position.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Workers {
    list: Vector<NodeRef>,
    #[serde(skip)]
    index: OrdMap<(NodeId, Generation), u32>,
}

impl Workers {
    /// The worker at a position.
    pub(super) fn get(&self, at: u32) -> Option<&NodeRef> {
        self.list.get(at as usize)
    }

    /// Every worker process, in the order in which it was first named.
    pub(super) fn iter(&self) -> impl Iterator<Item = &NodeRef> {
        self.list.iter()
    }

    /// The position of a worker process.
    pub(super) fn find(&self, worker: &NodeRef) -> Option<u32> {
        self.index.get(&(worker.id, worker.generation)).copied()
    }

    /// The position of a worker process, new if it was not named before.
    pub(super) fn intern(&mut self, worker: &NodeRef) -> Result<u32, Reason> {
        match self.find(worker) {
            Some(at) => Ok(at),
            None => self.push(worker),
        }
    }

    fn push(&mut self, worker: &NodeRef) -> Result<u32, Reason> {
        if self.list.len() >= NODES_MAX {
            return Err(Reason::LimitReached { what: "worker processes of one job".into() });
        }
        let at = self.list.len() as u32;
        self.list.push_back(worker.clone());
        self.index.insert((worker.id, worker.generation), at);
        Ok(at)
    }

    pub(super) fn reindex(&mut self) {
        let positions = self.list.iter().enumerate();
        self.index = positions.map(|(at, worker)| ((worker.id, worker.generation), at as u32)).collect();
    }
}

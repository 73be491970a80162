//! What membership said about nodes that concern the job.

use imbl::{OrdMap, Vector};
use muster_wire::{Generation, NodeId, NodeRef, Role};
use serde::{Deserialize, Serialize};

use super::limits::{EVENTS_MAX, NODES_MAX};

/// What happened to a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeEvent {
    /// It is there.
    Join,
    /// It said goodbye.
    Leave,
    /// It vanished.
    Dead,
    /// Its process was restarted.
    NewGeneration,
}

impl NodeEvent {
    /// Is the process of the named generation gone?
    pub const fn is_gone(self) -> bool {
        matches!(self, Self::Leave | Self::Dead)
    }
}

/// One event as it was applied.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventRow {
    /// What.
    pub event: NodeEvent,
    /// Whom.
    pub node: NodeRef,
    /// What it is.
    pub role: Role,
    /// Replicated time.
    pub at_ms: u64,
}

/// The last event of each node, and a bounded history.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Nodes {
    last: OrdMap<NodeId, (Generation, NodeEvent)>,
    history: Vector<EventRow>,
}

impl Nodes {
    /// The newest generation that an event named, and what happened to it.
    pub fn last(&self, node: NodeId) -> Option<(Generation, NodeEvent)> {
        self.last.get(&node).copied()
    }

    /// The history, oldest first.
    pub fn history(&self) -> impl Iterator<Item = &EventRow> {
        self.history.iter()
    }

    /// Is this process known to be gone?
    pub fn is_gone(&self, node: &NodeRef) -> bool {
        self.last(node.id).is_some_and(|(generation, event)| gone_by(node.generation, generation, event))
    }

    /// Is there room for one more node?
    pub fn has_room_for(&self, node: NodeId) -> bool {
        self.last.len() < NODES_MAX || self.last.contains_key(&node)
    }

    /// Adds an event.
    pub(super) fn note(&mut self, row: EventRow) {
        self.last.insert(row.node.id, (row.node.generation, row.event));
        self.history.push_back(row);
        if self.history.len() > EVENTS_MAX {
            self.history.pop_front();
        }
    }
}

/// Does an event about `named` mean that the process of `generation` is gone?
pub(super) fn gone_by(generation: Generation, named: Generation, event: NodeEvent) -> bool {
    match event.is_gone() {
        true => generation <= named,
        false => generation < named,
    }
}

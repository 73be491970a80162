//! Gates that have called this manager: where a result goes when the gate that led the job is gone.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use muster_wire::hello::Hello;
use muster_wire::{NodeId, Role};

/// Gates remembered; the book starts anew beyond this.
const GATES_MAX: usize = 64;

/// Addresses by gate.
#[derive(Default)]
pub(crate) struct Gates(Mutex<BTreeMap<NodeId, String>>);

impl Gates {
    /// Remembers a caller, if it is a gate.
    pub(crate) fn note(&self, peer: &Hello) {
        if peer.role == Role::Gate {
            self.put(peer.node, peer.rpc.clone());
        }
    }

    fn put(&self, gate: NodeId, addr: String) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= GATES_MAX {
            known.clear();
        }
        known.insert(gate, addr);
    }

    /// Every address known, but for `first`, which leads the list.
    pub(crate) fn addresses(&self, first: &str) -> Vec<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let others = known.values().filter(|addr| *addr != first).cloned();
        std::iter::once(first.to_owned()).chain(others).collect()
    }
}

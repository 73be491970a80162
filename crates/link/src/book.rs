//! Where each node was heard of last.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use muster_wire::hello::Hello;
use muster_wire::{Generation, NodeId};

/// Addresses of nodes by their newest handshake, in either direction. Bounded.
pub(crate) struct Book {
    entries: Mutex<Entries>,
    most: usize,
}

#[derive(Default)]
struct Entries {
    by_node: HashMap<NodeId, Entry>,
    handshakes: u64,
}

struct Entry {
    addr: String,
    generation: Generation,
    heard_at: u64,
}

impl Book {
    pub(crate) fn new(most: usize) -> Self {
        Self { entries: Mutex::default(), most }
    }

    /// Notes a handshake. `dialled` counts when the peer names no address of its own. An older generation is ignored.
    pub(crate) fn note(&self, hello: &Hello, dialled: &str) {
        let addr = [hello.rpc.as_str(), dialled].into_iter().find(|addr| !addr.is_empty());
        let Some(addr) = addr else { return };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.by_node.get(&hello.node).is_some_and(|known| known.generation > hello.generation) {
            return;
        }
        entries.handshakes += 1;
        let entry =
            Entry { addr: addr.to_owned(), generation: hello.generation, heard_at: entries.handshakes };
        entries.by_node.insert(hello.node, entry);
        entries.shrink(self.most);
    }

    /// Address and generation of a node's newest handshake.
    pub(crate) fn find(&self, node: NodeId) -> Option<(String, Generation)> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.by_node.get(&node).map(|entry| (entry.addr.clone(), entry.generation))
    }
}

impl Entries {
    fn shrink(&mut self, most: usize) {
        if self.by_node.len() <= most {
            return;
        }
        let oldest = self.by_node.iter().min_by_key(|(_, entry)| entry.heard_at).map(|(node, _)| *node);
        if let Some(oldest) = oldest {
            self.by_node.remove(&oldest);
        }
    }
}

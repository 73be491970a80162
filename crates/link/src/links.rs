//! The handle.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use muster_runtime::{Clock, TaskScope};
use muster_wire::hello::Hello;
use muster_wire::rpc::Call;
use muster_wire::{Generation, NodeId, NodeRef};
use tokio::net::TcpListener;
use tokio::sync::broadcast;

use crate::config::LinkConfig;
use crate::error::CallError;
use crate::event::LinkEvent;
use crate::gatekeeper::Gatekeeper;
use crate::service::Service;

/// What links need of their node.
pub struct LinkParts {
    /// Where peers dial this node.
    pub listener: TcpListener,
    /// What this node says about itself.
    pub hello: Hello,
    /// Owns every task of the links.
    pub scope: TaskScope,
    /// The node's clock.
    pub clock: Clock,
}

/// All links of a node. Cheap to clone; they end with their scope.
#[derive(Clone)]
pub struct Links {
    hello: Arc<Hello>,
    events: broadcast::Sender<LinkEvent>,
}

impl Links {
    /// Accepts at once.
    pub fn start(config: LinkConfig, parts: LinkParts) -> Self {
        Self { hello: Arc::new(parts.hello), events: broadcast::channel(config.events_max).0 }
    }
    /// Sets what answers calls.
    pub fn serve(&self, _service: Arc<dyn Service>) {}
    /// Sets who judges peers.
    pub fn guard(&self, _gatekeeper: Arc<dyn Gatekeeper>) {}
    /// Changes what this node says about itself; open links tell it to their peers.
    pub fn update_hello(&self, _change: impl FnOnce(&mut Hello)) {}
    /// What this node says about itself.
    pub fn hello(&self) -> Arc<Hello> {
        self.hello.clone()
    }
    /// The bound address.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        None
    }
    /// Calls.
    pub async fn call<C: Call>(
        &self,
        _to: &str,
        _call: &C,
        _within: Duration,
    ) -> Result<C::Reply, CallError> {
        Err(CallError::Stopping)
    }
    /// Calls with bytes.
    #[allow(clippy::too_many_arguments, reason = "self is not one of the four")]
    pub async fn call_raw(
        &self,
        _to: &str,
        _method: u32,
        _payload: Bytes,
        _within: Duration,
    ) -> Result<Bytes, CallError> {
        Err(CallError::Stopping)
    }
    /// Calls a node.
    pub async fn call_node<C: Call>(
        &self,
        _to: &NodeRef,
        _call: &C,
        _within: Duration,
    ) -> Result<C::Reply, CallError> {
        Err(CallError::Stopping)
    }
    /// Handshake only.
    pub async fn identify(&self, _to: &str, _within: Duration) -> Result<Arc<Hello>, CallError> {
        Err(CallError::Stopping)
    }
    /// Keeps.
    pub fn keep(&self, _addr: &str) {}
    /// Unkeeps.
    pub fn unkeep(&self, _addr: &str) {}
    /// Events.
    pub fn events(&self) -> broadcast::Receiver<LinkEvent> {
        self.events.subscribe()
    }
    /// Last known peer.
    pub fn peer(&self, _addr: &str) -> Option<Arc<Hello>> {
        None
    }
    /// Newest address.
    pub fn addr_of(&self, _node: NodeId) -> Option<(String, Generation)> {
        None
    }
}

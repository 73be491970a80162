//! What answers calls.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use muster_wire::hello::Hello;
use muster_wire::rpc::RpcError;

/// Answers calls of peers, by method number.
pub trait Service: Send + Sync + 'static {
    /// Is this method answered here?
    fn serves(&self, method: u32) -> bool;

    /// Answers one request. Runs in a task of its own; dropped when the node stops. Control calls are begun by the reader
    /// of their link, in the order in which they came, and get a task where they first wait.
    fn serve(
        &self,
        peer: Arc<Hello>,
        method: u32,
        payload: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, RpcError>>;
}

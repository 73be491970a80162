//! Typed handlers by method number.

use std::collections::BTreeMap;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use metrics::Counter;
use muster_runtime::Meter;
use muster_wire::hello::Hello;
use muster_wire::rpc::{Call, RpcError};

use crate::service::Service;

/// An empty router.
pub fn router() -> RouterBuilder {
    RouterBuilder { handlers: BTreeMap::new(), merged: Vec::new() }
}

/// Collects handlers and other services; [`RouterBuilder::build`] makes the service.
pub struct RouterBuilder {
    handlers: BTreeMap<u32, Box<dyn Handler>>,
    merged: Vec<Arc<dyn Service>>,
}

impl RouterBuilder {
    /// Answers `C` with `handler`. A second handler for the same call replaces the first.
    #[must_use]
    pub fn on<C, F, Fut>(mut self, handler: F) -> Self
    where
        C: Call,
        F: Fn(Arc<Hello>, C) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<C::Reply, RpcError>> + Send + 'static,
    {
        self.handlers.insert(C::METHOD, Box::new(Typed { handler, call: PhantomData::<fn(C)> }));
        self
    }

    /// Asks `service` for the methods that have no handler here; the first one merged that serves a method gets it.
    #[must_use]
    pub fn merge(mut self, service: Arc<dyn Service>) -> Self {
        self.merged.push(service);
        self
    }

    /// The service.
    pub fn build(self) -> Arc<dyn Service> {
        Arc::new(Router { handlers: self.handlers, merged: self.merged })
    }
}

struct Router {
    handlers: BTreeMap<u32, Box<dyn Handler>>,
    merged: Vec<Arc<dyn Service>>,
}

impl Router {
    fn merged(&self, method: u32) -> Option<&Arc<dyn Service>> {
        self.merged.iter().find(|service| service.serves(method))
    }
}

impl Service for Router {
    fn serves(&self, method: u32) -> bool {
        self.handlers.contains_key(&method) || self.merged(method).is_some()
    }

    fn serve(
        &self,
        peer: Arc<Hello>,
        method: u32,
        payload: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, RpcError>> {
        if let Some(handler) = self.handlers.get(&method) {
            return handler.handle(peer, &payload);
        }
        match self.merged(method) {
            Some(service) => service.serve(peer, method, payload),
            None => refuse(RpcError::NoMethod(method)),
        }
    }
}

/// One typed handler with its codec.
trait Handler: Send + Sync {
    fn handle(&self, peer: Arc<Hello>, payload: &[u8]) -> BoxFuture<'static, Result<Bytes, RpcError>>;
}

struct Typed<F, C> {
    handler: F,
    call: PhantomData<fn(C)>,
}

impl<C, F, Fut> Handler for Typed<F, C>
where
    C: Call,
    F: Fn(Arc<Hello>, C) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<C::Reply, RpcError>> + Send + 'static,
{
    fn handle(&self, peer: Arc<Hello>, payload: &[u8]) -> BoxFuture<'static, Result<Bytes, RpcError>> {
        let call = match muster_wire::decode::<C>(payload) {
            Ok(call) => call,
            Err(error) => return refuse(RpcError::Malformed(format!("{}: {error}", C::NAME))),
        };
        let answer = (self.handler)(peer, call);
        async move {
            let outcome = answer.await.and_then(|reply| encode_reply::<C>(&reply));
            count(C::NAME, &outcome);
            outcome
        }
        .boxed()
    }
}

fn encode_reply<C: Call>(reply: &C::Reply) -> Result<Bytes, RpcError> {
    let bytes = muster_wire::encode(reply);
    bytes
        .map(Bytes::from)
        .map_err(|error| RpcError::Unknown { why: format!("reply of {}: {error}", C::NAME) })
}

fn refuse(error: RpcError) -> BoxFuture<'static, Result<Bytes, RpcError>> {
    futures_util::future::ready(Err(error)).boxed()
}

static SERVED: Meter<Counter, 2> = Meter::counters("muster_rpc_served_total", ["method", "outcome"]);

fn count(method: &'static str, outcome: &Result<Bytes, RpcError>) {
    let outcome = match outcome {
        Ok(_) => "ok",
        Err(error) => error_word(error),
    };
    SERVED.count([method, outcome]);
}

const fn error_word(error: &RpcError) -> &'static str {
    match error {
        RpcError::NotLeader { .. } => "not_leader",
        RpcError::Busy { .. } => "busy",
        RpcError::Fenced { .. } => "fenced",
        RpcError::UnknownJob => "unknown_job",
        RpcError::Gone { .. } => "gone",
        RpcError::Unknown { .. } => "unknown",
        RpcError::Refused { .. } => "refused",
        RpcError::NotServing => "not_serving",
        RpcError::NoMethod(_) => "no_method",
        RpcError::Malformed(_) => "malformed",
    }
}

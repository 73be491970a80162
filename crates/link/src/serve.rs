//! Requests of peers: one bounded task each. The reader never waits.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use muster_runtime::TaskKind;
use muster_wire::frame::{Frame, Kind, PAYLOAD_BYTES_MAX};
use muster_wire::hello::Hello;
use muster_wire::rpc::RpcError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::accept::Inbound;
use crate::config::CONTROL_METHODS_END;
use crate::connection::PING;
use crate::links::Inner;
use crate::pipe::Close;
use crate::service::Service;

const SERVE: TaskKind = TaskKind::new("link_serve");
/// What a refused peer is told to wait.
const RETRY_AFTER_MS: u64 = 50;

/// Places for requests: control calls have their own, so that they pass when the others are taken.
pub(crate) struct Places {
    control: Arc<Semaphore>,
    others: Arc<Semaphore>,
}

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Self { control: Arc::new(Semaphore::new(most)), others: Arc::new(Semaphore::new(most)) }
    }

    fn take(&self, method: u32) -> Option<OwnedSemaphorePermit> {
        let places = match method < CONTROL_METHODS_END {
            true => &self.control,
            false => &self.others,
        };
        places.clone().try_acquire_owned().ok()
    }
}

/// Begins to serve a request, or answers it at once. A peer that does not take its answers is disconnected.
pub(crate) fn begin(inner: &Arc<Inner>, link: &Arc<Inbound>, request: Frame) -> Result<(), Close> {
    let id = request.correlation;
    let at_once = match request.method {
        PING => Some(Ok(Bytes::new())),
        _ => begin_task(inner, link, request).err().map(Err),
    };
    let Some(answer) = at_once else { return Ok(()) };
    link.pipe.try_send(answer_frame(id, answer)).map_err(|_| Close::Here)
}

fn begin_task(inner: &Arc<Inner>, link: &Arc<Inbound>, request: Frame) -> Result<(), RpcError> {
    let place = inner.places.take(request.method).ok_or_else(overload)?;
    let service = inner.service().ok_or(RpcError::Busy { retry_after_ms: RETRY_AFTER_MS })?;
    let (link, write_timeout, method) = (link.clone(), inner.config.write_timeout, request.method);
    let mut serving = Box::pin(async move {
        let answer = answer_of(service.as_ref(), link.peer(), (method, request.payload)).await;
        let sending = link.pipe.send(answer_frame(request.correlation, answer));
        if tokio::time::timeout(write_timeout, sending).await.is_err() {
            link.pipe.close(Close::Here);
        }
        drop(place);
    });
    if method >= CONTROL_METHODS_END || !is_over_at_once(serving.as_mut()) {
        inner.scope.spawn_until_stop(SERVE, serving);
    }
    Ok(())
}

/// Control calls begin in the order in which they came: a task of each would begin with the newest, and of a group's
/// appends each must find the one before. They go as far as they come without waiting.
fn is_over_at_once(serving: Pin<&mut (impl Future<Output = ()> + Send)>) -> bool {
    tokio::task::unconstrained(serving).now_or_never().is_some()
}

/// A handler that panics is answered for, so that the caller need not wait for its deadline.
async fn answer_of(
    service: &dyn Service,
    peer: Arc<Hello>,
    (method, payload): (u32, Bytes),
) -> Result<Bytes, RpcError> {
    let serving = AssertUnwindSafe(async { service.serve(peer, method, payload).await }).catch_unwind();
    serving.await.unwrap_or_else(|_| {
        tracing::error!(method, "the handler of a call panicked");
        metrics::counter!("muster_task_panics_total", "kind" => SERVE.name).increment(1);
        Err(RpcError::Unknown { why: "the handler of the call failed".into() })
    })
}

fn overload() -> RpcError {
    metrics::counter!("muster_queue_rejected_total", "queue" => "link_serve").increment(1);
    RpcError::Busy { retry_after_ms: RETRY_AFTER_MS }
}

fn answer_frame(correlation: u64, answer: Result<Bytes, RpcError>) -> Frame {
    match answer.and_then(check_size) {
        Ok(payload) => Frame { kind: Kind::Reply, correlation, method: 0, payload },
        Err(error) => {
            Frame { kind: Kind::Error, correlation, method: 0, payload: crate::handshake::encode(&error) }
        }
    }
}

fn check_size(payload: Bytes) -> Result<Bytes, RpcError> {
    match payload.len() > PAYLOAD_BYTES_MAX {
        true => Err(RpcError::Unknown {
            why: format!("the reply of {} bytes does not fit a frame", payload.len()),
        }),
        false => Ok(payload),
    }
}

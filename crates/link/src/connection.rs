//! One outgoing link: the calls under way on it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use muster_runtime::CancellationToken;
use muster_wire::frame::{Frame, Kind};
use muster_wire::hello::Hello;
use muster_wire::rpc::RpcError;
use tokio::sync::oneshot;

use crate::config::CONTROL_METHODS_END;
use crate::error::CallError;
use crate::handshake;
use crate::links::Inner;
use crate::pipe::{Close, Pipe, SendFault};

/// The method that every node answers with nothing: are you there?
pub(crate) const PING: u32 = 0;

type Answer = Result<Bytes, RpcError>;

/// An outgoing link after its handshake.
pub(crate) struct Connection {
    pub(crate) addr: String,
    peer: RwLock<Arc<Hello>>,
    pipe: Arc<Pipe>,
    calls: Mutex<Calls>,
    in_flight_max: usize,
    /// Cancelled once the loss of the link was told.
    pub(crate) ended: CancellationToken,
}

/// Calls waiting for their answer, by correlation id; `None` once the link has ended.
struct Calls {
    next: u64,
    waiting: Option<HashMap<u64, oneshot::Sender<Answer>>>,
}

/// A call's place in the link: given back when it is dropped.
struct Slot<'a> {
    connection: &'a Connection,
    id: u64,
    answer: oneshot::Receiver<Answer>,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = &mut self.connection.calls().waiting {
            waiting.remove(&self.id);
        }
    }
}

/// Why a call failed on this link.
pub(crate) enum CallFault {
    /// The link had ended before: nothing was sent, another link may be tried.
    Stale,
    /// What the caller is told.
    Final(CallError),
}

impl Connection {
    pub(crate) fn new(addr: String, peer: Arc<Hello>, pipe: Arc<Pipe>, in_flight_max: usize) -> Self {
        let calls = Mutex::new(Calls { next: 1, waiting: Some(HashMap::new()) });
        let ended = CancellationToken::new();
        Self { addr, peer: RwLock::new(peer), pipe, calls, in_flight_max, ended }
    }

    pub(crate) fn peer(&self) -> Arc<Hello> {
        self.peer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.pipe.is_open()
    }

    pub(crate) fn pipe(&self) -> &Pipe {
        &self.pipe
    }

    /// Closes the link from this side.
    pub(crate) fn close(&self, cause: Close) {
        self.pipe.close(cause);
    }

    /// True if no call waits for an answer.
    pub(crate) fn is_idle(&self) -> bool {
        self.calls().waiting.as_ref().is_none_or(HashMap::is_empty)
    }

    /// Sends one request and waits for its answer. Dropping the future frees its place.
    pub(crate) async fn call(&self, method: u32, payload: Bytes) -> Result<Bytes, CallFault> {
        let mut slot = self.open_slot(method)?;
        let frame = Frame { kind: Kind::Request, correlation: slot.id, method, payload };
        self.pipe.try_send(frame).map_err(from_send)?;
        match (&mut slot.answer).await {
            Ok(answer) => answer.map_err(|error| CallFault::Final(CallError::Rpc(error))),
            Err(_) => Err(CallFault::Final(self.loss())),
        }
    }

    /// Asks whether the peer is there. Any frame from it is an answer.
    pub(crate) fn ping(&self) -> Result<(), SendFault> {
        self.pipe.try_send(Frame { kind: Kind::Request, correlation: 0, method: PING, payload: Bytes::new() })
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_slot(&self, method: u32) -> Result<Slot<'_>, CallFault> {
        let most = match method < CONTROL_METHODS_END {
            true => self.in_flight_max * 2,
            false => self.in_flight_max,
        };
        let (sender, answer) = oneshot::channel();
        let mut calls = self.calls();
        let id = calls.next;
        let Some(waiting) = &mut calls.waiting else { return Err(CallFault::Stale) };
        if waiting.len() >= most {
            return Err(CallFault::Final(CallError::Busy));
        }
        waiting.insert(id, sender);
        calls.next += 1;
        Ok(Slot { connection: self, id, answer })
    }

    fn loss(&self) -> CallError {
        match self.pipe.cause() {
            Some(_) => CallError::Reset,
            None => CallError::Stopping,
        }
    }

    /// Handles one frame of the peer. Late answers are dropped.
    pub(crate) fn on_frame(&self, inner: &Inner, frame: Frame) -> Result<(), Close> {
        match frame.kind {
            Kind::Reply => self.answer(frame.correlation, Ok(frame.payload)),
            Kind::Error => self.answer(frame.correlation, Err(read_error(&frame.payload))),
            Kind::Hello => return self.on_news(inner, &frame),
            Kind::Request => return Err(Close::Lost(crate::event::DownCause::Reset)),
        }
        Ok(())
    }

    fn answer(&self, id: u64, answer: Answer) {
        let waiting = self.calls().waiting.as_mut().and_then(|waiting| waiting.remove(&id));
        if let Some(caller) = waiting {
            let _ = caller.send(answer);
        }
    }

    /// The peer tells something new about itself.
    fn on_news(&self, inner: &Inner, frame: &Frame) -> Result<(), Close> {
        let reset = Close::Lost(crate::event::DownCause::Reset);
        let theirs = handshake::read_welcome(frame).map_err(|_| reset)?;
        let is_same = (theirs.node, theirs.generation) == (self.peer().node, self.peer().generation);
        if !is_same || inner.check(&theirs).is_err() {
            return Err(reset);
        }
        let theirs = Arc::new(theirs);
        *self.peer.write().unwrap_or_else(PoisonError::into_inner) = theirs.clone();
        inner.note_up(&self.addr, theirs);
        Ok(())
    }

    /// Fails every call that still waits; later ones are told to try another link.
    pub(crate) fn fail_calls(&self) {
        self.calls().waiting = None;
    }
}

fn read_error(payload: &[u8]) -> RpcError {
    muster_wire::decode(payload).unwrap_or_else(|error| RpcError::Unknown { why: error.to_string() })
}

const fn from_send(fault: SendFault) -> CallFault {
    match fault {
        SendFault::Busy => CallFault::Final(CallError::Busy),
        SendFault::TooLarge => CallFault::Final(CallError::TooLarge),
        SendFault::Closed => CallFault::Stale,
    }
}

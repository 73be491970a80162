//! A bounded queue whose memory follows what lies in it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use openraft::async_runtime::{Mpsc, MpscReceiver, MpscSender, MpscWeakSender, SendError, TryRecvError};
use tokio::task::coop::cooperative;

use super::locked;

/// Room that an empty queue keeps.
const KEPT: usize = 32;

/// Queues with one receiver.
pub(crate) struct LeanMpsc;

impl Mpsc for LeanMpsc {
    type Sender<T: Send> = Sender<T>;
    type Receiver<T: Send> = Receiver<T>;
    type WeakSender<T: Send> = WeakSender<T>;

    fn channel<T: Send>(buffer: usize) -> (Sender<T>, Receiver<T>) {
        let queue = Queue {
            items: VecDeque::new(),
            room: buffer.max(1),
            senders: 1,
            is_closed: false,
            receiver: None,
            blocked: Vec::new(),
        };
        let shared = Arc::new(Mutex::new(queue));
        (Sender(shared.clone()), Receiver(shared))
    }
}

struct Queue<T> {
    items: VecDeque<T>,
    room: usize,
    senders: usize,
    /// The receiver is gone.
    is_closed: bool,
    receiver: Option<Waker>,
    /// Senders that wait for room. All are woken when there is some: one of them may have gone meanwhile.
    blocked: Vec<Waker>,
}

type Shared<T> = Arc<Mutex<Queue<T>>>;

impl<T> Queue<T> {
    /// Puts in what `offered` holds; pending while there is no room.
    fn put(&mut self, offered: &mut Option<T>, cx: &Context<'_>) -> Poll<Result<(), SendError<T>>> {
        let Some(item) = offered.take() else { return Poll::Pending };
        if self.is_closed {
            return Poll::Ready(Err(SendError(item)));
        }
        if self.items.len() < self.room {
            self.items.push_back(item);
            return Poll::Ready(Ok(()));
        }
        *offered = Some(item);
        self.block(cx.waker());
        Poll::Pending
    }

    fn block(&mut self, waker: &Waker) {
        if !self.blocked.iter().any(|blocked| blocked.will_wake(waker)) {
            self.blocked.push(waker.clone());
        }
    }

    fn take(&mut self) -> Result<T, TryRecvError> {
        let Some(item) = self.items.pop_front() else { return Err(self.why_empty()) };
        if self.items.is_empty() {
            self.items.shrink_to(KEPT);
        }
        Ok(item)
    }

    const fn why_empty(&self) -> TryRecvError {
        match self.senders {
            0 => TryRecvError::Disconnected,
            _ => TryRecvError::Empty,
        }
    }

    /// The receiver waits for the next item.
    fn await_next(&mut self, waker: &Waker) {
        match &mut self.receiver {
            Some(waiting) => waiting.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }
}

/// Takes one out and tells those who waited for room.
fn take_from<T>(shared: &Mutex<Queue<T>>, waiting: Option<&Waker>) -> Result<T, TryRecvError> {
    let mut queue = locked(shared);
    let taken = queue.take();
    if let (Err(TryRecvError::Empty), Some(waker)) = (&taken, waiting) {
        queue.await_next(waker);
    }
    let blocked = std::mem::take(&mut queue.blocked);
    drop(queue);
    blocked.into_iter().for_each(Waker::wake);
    taken
}

/// One of those who put in.
pub(crate) struct Sender<T>(Shared<T>);

impl<T: Send> Sender<T> {
    fn poll_send(&self, offered: &mut Option<T>, cx: &Context<'_>) -> Poll<Result<(), SendError<T>>> {
        let mut queue = locked(&self.0);
        let sent = queue.put(offered, cx);
        let receiver = if sent.is_ready() { queue.receiver.take() } else { None };
        drop(queue);
        receiver.into_iter().for_each(Waker::wake);
        sent
    }
}

impl<T: Send> MpscSender<LeanMpsc, T> for Sender<T> {
    async fn send(&self, msg: T) -> Result<(), SendError<T>> {
        let mut offered = Some(msg);
        cooperative(poll_fn(|cx| self.poll_send(&mut offered, cx))).await
    }

    fn downgrade(&self) -> WeakSender<T> {
        WeakSender(self.0.clone())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        locked(&self.0).senders += 1;
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut queue = locked(&self.0);
        queue.senders -= 1;
        let receiver = if queue.senders == 0 { queue.receiver.take() } else { None };
        drop(queue);
        receiver.into_iter().for_each(Waker::wake);
    }
}

/// The one who takes out.
pub(crate) struct Receiver<T>(Shared<T>);

impl<T: Send> Receiver<T> {
    fn poll_recv(&self, cx: &Context<'_>) -> Poll<Option<T>> {
        match take_from(&self.0, Some(cx.waker())) {
            Ok(item) => Poll::Ready(Some(item)),
            Err(TryRecvError::Disconnected) => Poll::Ready(None),
            Err(TryRecvError::Empty) => Poll::Pending,
        }
    }
}

impl<T: Send> MpscReceiver<T> for Receiver<T> {
    fn recv(&mut self) -> impl Future<Output = Option<T>> + Send {
        cooperative(poll_fn(|cx| self.poll_recv(cx)))
    }

    fn try_recv(&mut self) -> Result<T, TryRecvError> {
        take_from(&self.0, None)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut queue = locked(&self.0);
        queue.is_closed = true;
        let (left, blocked) = (std::mem::take(&mut queue.items), std::mem::take(&mut queue.blocked));
        let own = queue.receiver.take();
        drop(queue);
        blocked.into_iter().for_each(Waker::wake);
        drop((left, own));
    }
}

/// Somebody who does not keep the queue open.
pub(crate) struct WeakSender<T>(Shared<T>);

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send> MpscWeakSender<LeanMpsc, T> for WeakSender<T> {
    fn upgrade(&self) -> Option<Sender<T>> {
        let mut queue = locked(&self.0);
        (queue.senders > 0).then(|| {
            queue.senders += 1;
            Sender(self.0.clone())
        })
    }
}

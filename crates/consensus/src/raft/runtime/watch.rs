//! A value that is watched. openraft sets a dozen of them each time an instance does something, and hardly anybody
//! waits for one: to set a value costs one lock while nobody waits.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::task::{Context, Poll, Waker};

use openraft::async_runtime::watch::{RecvError, SendError};
use openraft::async_runtime::{Watch, WatchReceiver, WatchSender};
use tokio::task::coop::cooperative;

use super::locked;

/// Watched values.
pub(crate) struct LeanWatch;

impl Watch for LeanWatch {
    type Sender<T: Send + Sync> = Sender<T>;
    type Receiver<T: Send + Sync> = Receiver<T>;
    type Ref<'a, T: Send + 'a> = RwLockReadGuard<'a, T>;

    fn channel<T: Send + Sync>(init: T) -> (Sender<T>, Receiver<T>) {
        let shared = Arc::new(Shared {
            value: RwLock::new(init),
            version: AtomicU64::new(0),
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(0),
            next_receiver: AtomicU64::new(0),
            announced: AtomicU64::new(0),
            has_waiting: AtomicBool::new(false),
            waiting: Mutex::default(),
        });
        let receiver = Receiver::new(shared.clone());
        (Sender(shared), receiver)
    }
}

/// A change is announced in this order: the version, then whoever waits. A receiver looks the other way round: it says
/// that it waits, then looks at the version. One of the two sees the other.
struct Shared<T> {
    value: RwLock<T>,
    /// How often it has changed.
    version: AtomicU64,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    next_receiver: AtomicU64,
    /// How often those who waited were woken.
    announced: AtomicU64,
    has_waiting: AtomicBool,
    waiting: Mutex<Waiting>,
}

/// Who waits, by the receiver's number. Mostly there is one: he needs no room of his own.
#[derive(Default)]
struct Waiting {
    one: Option<(u64, Waker)>,
    more: Vec<(u64, Waker)>,
}

impl Waiting {
    fn put(&mut self, receiver: u64, waker: &Waker) {
        let others = std::mem::take(&mut self.one).filter(|(number, _)| *number != receiver);
        self.more.retain(|(number, _)| *number != receiver);
        self.more.extend(others);
        self.one = Some((receiver, waker.clone()));
    }

    fn remove(&mut self, receiver: u64) -> Option<(u64, Waker)> {
        let at = self.more.iter().position(|(number, _)| *number == receiver);
        let more = at.map(|at| self.more.swap_remove(at));
        self.one.take_if(|(number, _)| *number == receiver).or(more)
    }
}

impl<T> Shared<T> {
    fn value(&self) -> RwLockReadGuard<'_, T> {
        self.value.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn version(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    fn change(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let mut value = self.value.write().unwrap_or_else(PoisonError::into_inner);
        if !modify(&mut value) {
            return false;
        }
        self.version.fetch_add(1, Ordering::SeqCst);
        drop(value);
        self.announce();
        true
    }

    fn announce(&self) {
        if !self.has_waiting.load(Ordering::SeqCst) {
            return;
        }
        let mut waiting = locked(&self.waiting);
        self.has_waiting.store(false, Ordering::SeqCst);
        self.announced.fetch_add(1, Ordering::SeqCst);
        let Waiting { one, more } = std::mem::take(&mut *waiting);
        drop(waiting);
        one.into_iter().chain(more).for_each(|(_, waker)| waker.wake());
    }

    /// Wakes the receiver with the next change; gives back how many there were before.
    fn wait(&self, receiver: u64, waker: &Waker) -> u64 {
        let mut waiting = locked(&self.waiting);
        waiting.put(receiver, waker);
        self.has_waiting.store(true, Ordering::SeqCst);
        self.announced.load(Ordering::SeqCst)
    }
}

/// One of those who set the value.
pub(crate) struct Sender<T>(Arc<Shared<T>>);

impl<T: Send + Sync> WatchSender<LeanWatch, T> for Sender<T> {
    fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.0.receivers.load(Ordering::SeqCst) == 0 {
            return Err(SendError(value));
        }
        let mut value = value;
        self.0.change(|held| {
            std::mem::swap(held, &mut value);
            true
        });
        Ok(())
    }

    fn send_if_modified<F>(&self, modify: F) -> bool
    where
        F: FnOnce(&mut T) -> bool,
    {
        self.0.change(modify)
    }

    fn borrow_watched(&self) -> RwLockReadGuard<'_, T> {
        self.0.value()
    }

    fn subscribe(&self) -> Receiver<T> {
        Receiver::new(self.0.clone())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.senders.fetch_add(1, Ordering::SeqCst);
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.0.senders.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.announce();
        }
    }
}

/// One of those who watch.
pub(crate) struct Receiver<T> {
    shared: Arc<Shared<T>>,
    number: u64,
    seen: u64,
    /// Since which announcement it waits, and who is woken.
    waits: Option<(u64, Waker)>,
}

impl<T> Receiver<T> {
    fn new(shared: Arc<Shared<T>>) -> Self {
        let seen = shared.version();
        Self::from_version(shared, seen)
    }

    fn from_version(shared: Arc<Shared<T>>, seen: u64) -> Self {
        shared.receivers.fetch_add(1, Ordering::SeqCst);
        let number = shared.next_receiver.fetch_add(1, Ordering::Relaxed);
        Self { shared, number, seen, waits: None }
    }

    fn poll_changed(&mut self, cx: &Context<'_>) -> Poll<Result<(), RecvError>> {
        if let Some(news) = self.news() {
            return Poll::Ready(news);
        }
        if self.is_waiting(cx.waker()) {
            return Poll::Pending;
        }
        let since = self.shared.wait(self.number, cx.waker());
        self.waits = Some((since, cx.waker().clone()));
        self.news().map_or(Poll::Pending, Poll::Ready)
    }

    /// Will this one be woken by the next change? A change that comes in between announces itself after this.
    fn is_waiting(&self, waker: &Waker) -> bool {
        let announced = self.shared.announced.load(Ordering::SeqCst);
        self.waits.as_ref().is_some_and(|(since, woken)| *since == announced && woken.will_wake(waker))
    }

    /// A change that was not seen yet, or that there will be none any more.
    fn news(&mut self) -> Option<Result<(), RecvError>> {
        let version = self.shared.version();
        if version != self.seen {
            self.seen = version;
            return Some(Ok(()));
        }
        (self.shared.senders.load(Ordering::SeqCst) == 0).then_some(Err(RecvError(())))
    }
}

impl<T: Send + Sync> WatchReceiver<LeanWatch, T> for Receiver<T> {
    fn changed(&mut self) -> impl Future<Output = Result<(), RecvError>> + Send {
        cooperative(poll_fn(|cx| self.poll_changed(cx)))
    }

    fn borrow_watched(&self) -> RwLockReadGuard<'_, T> {
        self.shared.value()
    }

    fn borrow_and_update(&mut self) -> RwLockReadGuard<'_, T> {
        let value = self.shared.value();
        self.seen = self.shared.version();
        value
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self::from_version(self.shared.clone(), self.seen)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.receivers.fetch_sub(1, Ordering::SeqCst);
        if self.waits.is_some() {
            let left = locked(&self.shared.waiting).remove(self.number);
            drop(left);
        }
    }
}

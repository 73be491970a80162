//! What waits for the writer, in order, with a bound.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    GroupKey, Level, LogId, Options, WalError,
    format::{Op, Record},
    gate::{Gate, Load},
    item::{Item, Lane},
    lock::lock,
    space::Space,
    spin::Spin,
    timer::Stopwatch,
};

/// The writer takes items until it has this many bytes; one item has at most `BATCH_BYTES_MAX` less this.
const LOAD_BYTES: usize = 1 << 20;
/// The writer takes at most so many records at once.
const LOAD_RECORDS: usize = 4096;
/// Lazy records wait for company, but not more than this many.
const LAZY_RECORDS_MAX: usize = 1024;
/// Room for so many items is kept while nothing waits.
pub(crate) const ITEMS_KEPT: usize = 256;

/// What the writer is given.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Taken {
    /// At least one item.
    Load,
    /// Nothing came for as long as the writer wanted to wait.
    Nothing,
    /// The queue is closed and empty.
    Closed,
}

/// What goes into one batch, and how its writer waits for that. Empty between two batches.
pub(crate) struct Batch {
    pub(crate) items: VecDeque<Item>,
    /// Since when the first of them waited, or a later one if they were more than fit.
    pub(crate) since: Stopwatch,
    pub(crate) spin: Spin,
    /// The batch before this one had more than one item.
    shared: bool,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self { items: VecDeque::new(), since: Stopwatch::start(), spin: Spin::new(), shared: false }
    }

    /// For a writer that is driven by its caller.
    pub(crate) fn without_spin() -> Self {
        Self { spin: Spin::never(), ..Self::new() }
    }
}

enum Phase {
    Open,
    Closing,
    Dead(WalError),
}

struct State {
    items: VecDeque<Item>,
    /// Only the newest committed id of a group is worth writing, after everything else.
    hints: BTreeMap<GroupKey, LogId>,
    load: Load,
    urgent: usize,
    /// Since when the first item waits.
    since: Stopwatch,
    /// The writer waits and nobody has woken it yet.
    waits: bool,
    phase: Phase,
}

/// How many items are ready, for a look without the lock; on a cache line of its own, which a writer that looks takes away.
#[repr(align(128))]
struct Hot(AtomicUsize);

/// The queue between all groups and the writer.
pub(crate) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
    hot: Hot,
    gate: Gate,
}

impl Queue {
    pub(crate) fn new(options: &Options, space: Arc<Space>) -> Self {
        let state = State {
            items: VecDeque::new(),
            hints: BTreeMap::new(),
            load: Load::default(),
            urgent: 0,
            since: Stopwatch::start(),
            waits: false,
            phase: Phase::Open,
        };
        let gate = Gate::new(options, space);
        Self { state: Mutex::new(state), ready: Condvar::new(), hot: Hot(AtomicUsize::new(0)), gate }
    }

    /// Takes the item, or changes nothing and drops its callback unrun.
    pub(crate) fn push(&self, item: Item) -> Result<(), WalError> {
        let mut state = lock(&self.state);
        if let Err(error) = self.admit(&state, &item) {
            drop(state);
            item.waiter.forget();
            return Err(error);
        }
        state.push(item);
        self.wake(state);
        Ok(())
    }

    /// A call to wake somebody costs more than all the rest of an append: only a writer that waits is woken, and once.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        if !state.is_ready() {
            return;
        }
        self.hot.0.store(state.items.len().max(1), Ordering::Release);
        let waits = std::mem::take(&mut state.waits);
        drop(state);
        if waits {
            self.ready.notify_one();
        }
    }

    fn admit(&self, state: &State, item: &Item) -> Result<(), WalError> {
        state.check_open()?;
        match item.lane() {
            Lane::Normal => self.gate.admit(&state.load, &item.weight(), item.queued()),
            Lane::Reserved => self.gate.admit_reserved(&state.load, &item.weight()),
            Lane::Lazy => Ok(()),
        }
    }

    /// How full the queue and the disk are.
    pub(crate) fn level(&self) -> Level {
        self.gate.level(&lock(&self.state).load)
    }

    /// Remembers the newest committed id of a group; the writer does not wake for it.
    pub(crate) fn hint(&self, key: GroupKey, committed: LogId) -> Result<(), WalError> {
        let mut state = lock(&self.state);
        state.check_open()?;
        state.hints.insert(key, committed);
        Ok(())
    }

    pub(crate) fn forget_hint(&self, key: GroupKey) {
        lock(&self.state).hints.remove(&key);
    }

    /// Fills `load`, which is empty, with everything that is ready, up to a bound; waits for it, at most as long as given.
    pub(crate) fn take(&self, wait: Option<Duration>, load: &mut Batch) -> Taken {
        let may_wait = wait != Some(Duration::ZERO);
        if may_wait {
            load.spin.until(&self.hot.0);
        }
        let (mut state, timed_out) = self.until_ready(wait, &mut load.spin);
        if timed_out {
            state.shrink();
            return Taken::Nothing;
        }
        let state = self.after_others(state, load.shared && may_wait);
        self.drain(state, load)
    }

    fn drain(&self, mut state: MutexGuard<'_, State>, load: &mut Batch) -> Taken {
        load.shared = state.items.len() > 1;
        state.drain(load);
        self.hot.0.store(state.ready_items(), Ordering::Release);
        match load.items.is_empty() {
            true => Taken::Closed,
            false => Taken::Load,
        }
    }

    /// Whoever is ready to run goes first, and may bring more for this batch: with fewer processors than work, a writer that
    /// is woken by the first item would sync nearly each one by itself. Costs nothing while a processor is free.
    fn after_others<'a>(&'a self, state: MutexGuard<'a, State>, gives_way: bool) -> MutexGuard<'a, State> {
        if !gives_way {
            return state;
        }
        drop(state);
        std::thread::yield_now();
        lock(&self.state)
    }

    /// Waits a moment for those who have just been told: so many items were in that batch, and some wait already.
    pub(crate) fn gather(&self, told: usize, load: &mut Batch) {
        let expected = told + self.hot.0.load(Ordering::Acquire);
        load.spin.gather(&self.hot.0, expected);
    }

    /// Whether nothing was ready in time.
    fn until_ready(&self, wait: Option<Duration>, spin: &mut Spin) -> (MutexGuard<'_, State>, bool) {
        let mut state = lock(&self.state);
        let mut timed_out = false;
        let waiting = spin.start();
        while !state.is_ready() && !timed_out {
            state.waits = true;
            (state, timed_out) = self.wait(state, wait);
        }
        spin.waited(waiting);
        state.waits = false;
        let nothing = !state.is_ready();
        (state, nothing)
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        wait: Option<Duration>,
    ) -> (MutexGuard<'a, State>, bool) {
        match wait {
            None => (self.ready.wait(state).unwrap_or_else(PoisonError::into_inner), false),
            // A wait for no time is a call to the kernel all the same.
            Some(Duration::ZERO) => (state, true),
            Some(wait) => {
                let waited = self.ready.wait_timeout(state, wait);
                let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                (state, timeout.timed_out())
            }
        }
    }

    /// Nothing more is taken in; what is there will be written.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        if matches!(state.phase, Phase::Open) {
            state.phase = Phase::Closing;
        }
        self.wake(state);
    }

    /// Nothing more is taken in or written; gives back who still waits. The first error stays.
    pub(crate) fn fail(&self, error: WalError) -> Vec<Item> {
        let mut state = lock(&self.state);
        if !matches!(state.phase, Phase::Dead(_)) {
            state.phase = Phase::Dead(error);
        }
        state.hints.clear();
        let mut items = Vec::new();
        while let Some(item) = state.pop() {
            item.leave();
            items.push(item);
        }
        self.wake(state);
        items
    }

    pub(crate) fn failed(&self) -> Option<WalError> {
        match &lock(&self.state).phase {
            Phase::Dead(error) => Some(error.clone()),
            _ => None,
        }
    }

    /// Records and bytes that wait.
    pub(crate) fn depth(&self) -> (usize, usize) {
        let load = &lock(&self.state).load;
        (load.records, load.bytes)
    }
}

impl State {
    fn check_open(&self) -> Result<(), WalError> {
        match &self.phase {
            Phase::Open => Ok(()),
            Phase::Closing => Err(WalError::Closed),
            Phase::Dead(error) => Err(error.clone()),
        }
    }

    fn is_ready(&self) -> bool {
        self.urgent > 0 || self.load.records >= LAZY_RECORDS_MAX || !matches!(self.phase, Phase::Open)
    }

    fn ready_items(&self) -> usize {
        match self.is_ready() {
            true => self.items.len().max(1),
            false => 0,
        }
    }

    fn push(&mut self, item: Item) {
        if self.items.is_empty() {
            self.since = Stopwatch::start();
        }
        self.load.add(&item.weight());
        item.enter();
        self.urgent += usize::from(item.lane() != Lane::Lazy);
        self.items.push_back(item);
    }

    fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.load.remove(&item.weight());
        self.urgent -= usize::from(item.lane() != Lane::Lazy);
        Some(item)
    }

    /// All at once if that is not too much for one batch, else item by item.
    fn drain(&mut self, batch: &mut Batch) {
        batch.since = self.since;
        match self.load.bytes <= LOAD_BYTES && self.load.records <= LOAD_RECORDS {
            true => self.drain_all(batch),
            false => self.drain_some(batch),
        }
    }

    fn drain_all(&mut self, batch: &mut Batch) {
        std::mem::swap(&mut self.items, &mut batch.items);
        (self.load, self.urgent) = (Load::default(), 0);
        batch.items.extend(self.take_hints());
    }

    fn drain_some(&mut self, batch: &mut Batch) {
        let (mut bytes, mut records) = (0, 0);
        while bytes < LOAD_BYTES && records < LOAD_RECORDS {
            let Some(item) = self.pop() else { return };
            bytes += item.weight().bytes;
            records += item.weight().records;
            batch.items.push_back(item);
        }
    }

    fn take_hints(&mut self) -> Option<Item> {
        let hints = std::mem::take(&mut self.hints);
        let records: Vec<_> =
            hints.into_iter().map(|(key, id)| Record { key, op: Op::Committed(id) }).collect();
        (!records.is_empty()).then(|| Item::new(Lane::Lazy, records, None))
    }

    /// Gives back the memory of a burst that is over.
    fn shrink(&mut self) {
        self.items.shrink_to(ITEMS_KEPT);
    }
}

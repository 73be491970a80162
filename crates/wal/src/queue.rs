//! What waits for the writer, in order, with a bound.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use crate::{
    Done, GroupKey, Level, LogId, Options, WalError,
    format::{HEAD_BYTES, Op, Record, block_up},
    gate::{Gate, Load},
    lock::lock,
    space::Space,
    timer::Stopwatch,
    view::GroupCell,
    waiter::Waiter,
};

/// The writer takes items until it has this many bytes; one item has at most `BATCH_BYTES_MAX` less this.
const LOAD_BYTES: usize = 1 << 20;
/// The writer takes at most so many records at once.
const LOAD_RECORDS: usize = 4096;
/// Lazy records wait for company, but not more than this many.
const LAZY_RECORDS_MAX: usize = 1024;

/// How an item is admitted and whether the writer wakes for it.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Lane {
    /// Refused when the queue is full.
    Normal,
    /// Not refused while there is room on disk: at most a few per group, because its owner waits for each.
    Reserved,
    /// Never refused, written with whatever comes next.
    Lazy,
}

/// Records that become durable together, and who waits for that.
pub(crate) struct Item {
    pub(crate) records: Vec<Record>,
    pub(crate) waiter: Waiter,
    pub(crate) watch: Stopwatch,
    /// The group that appended, and the number of its append.
    pub(crate) append: Option<(Arc<GroupCell>, u64)>,
    lane: Lane,
    bytes: usize,
}

impl Item {
    pub(crate) fn new(lane: Lane, records: Vec<Record>, done: Option<Done>) -> Self {
        let bytes = records.iter().map(Record::bytes).sum();
        Self { records, waiter: Waiter::new(done), watch: Stopwatch::start(), append: None, lane, bytes }
    }

    /// Entries of one group.
    pub(crate) fn append(cell: &Arc<GroupCell>, stamp: u64, records: Vec<Record>, done: Done) -> Self {
        Self { append: Some((cell.clone(), stamp)), ..Self::new(Lane::Normal, records, Some(done)) }
    }

    /// What it takes on disk if nothing else shares its batch, bytes.
    fn room(&self) -> u64 {
        block_up(self.bytes + HEAD_BYTES) as u64
    }
}

/// What the writer is given.
pub(crate) enum Taken {
    Load(Vec<Item>),
    /// Nothing came for as long as the writer wanted to wait.
    Nothing,
    /// The queue is closed and empty.
    Closed,
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
    phase: Phase,
}

/// The queue between all groups and the writer.
pub(crate) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
    gate: Gate,
}

impl Queue {
    pub(crate) fn new(options: &Options, space: Arc<Space>) -> Self {
        let state = State {
            items: VecDeque::new(),
            hints: BTreeMap::new(),
            load: Load::default(),
            urgent: 0,
            phase: Phase::Open,
        };
        Self { state: Mutex::new(state), ready: Condvar::new(), gate: Gate::new(options, space) }
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
        if state.is_ready() {
            self.ready.notify_one();
        }
        Ok(())
    }

    fn admit(&self, state: &State, item: &Item) -> Result<(), WalError> {
        state.check_open()?;
        match item.lane {
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

    /// Everything that is ready, up to a bound; waits for it, at most as long as given.
    pub(crate) fn take(&self, wait: Option<Duration>) -> Taken {
        let (mut state, timed_out) = self.until_ready(wait);
        if timed_out {
            return Taken::Nothing;
        }
        let load = state.drain();
        match load.is_empty() {
            true => Taken::Closed,
            false => Taken::Load(load),
        }
    }

    /// Whether nothing was ready in time.
    fn until_ready(&self, wait: Option<Duration>) -> (MutexGuard<'_, State>, bool) {
        let mut state = lock(&self.state);
        let mut timed_out = false;
        while !state.is_ready() && !timed_out {
            (state, timed_out) = self.wait(state, wait);
        }
        let nothing = !state.is_ready();
        (state, nothing)
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        wait: Option<Duration>,
    ) -> (MutexGuard<'a, State>, bool) {
        let Some(wait) = wait else {
            return (self.ready.wait(state).unwrap_or_else(PoisonError::into_inner), false);
        };
        let (state, timeout) = self.ready.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner);
        (state, timeout.timed_out())
    }

    /// Nothing more is taken in; what is there will be written.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        if matches!(state.phase, Phase::Open) {
            state.phase = Phase::Closing;
        }
        self.ready.notify_one();
    }

    /// Nothing more is taken in or written; gives back who still waits. The first error stays.
    pub(crate) fn fail(&self, error: WalError) -> Vec<Item> {
        let mut state = lock(&self.state);
        if !matches!(state.phase, Phase::Dead(_)) {
            state.phase = Phase::Dead(error);
        }
        state.hints.clear();
        let items = std::iter::from_fn(|| state.pop()).collect();
        self.ready.notify_one();
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

impl Item {
    fn weight(&self) -> Load {
        Load { records: self.records.len(), bytes: self.bytes, room: self.room() }
    }

    /// Bytes of the same group that wait already.
    fn queued(&self) -> usize {
        self.append.as_ref().map_or(0, |(cell, _)| cell.queued.load(Ordering::Acquire))
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

    fn push(&mut self, item: Item) {
        self.load.add(&item.weight());
        if let Some((cell, _)) = &item.append {
            cell.queued.fetch_add(item.bytes, Ordering::AcqRel);
        }
        self.urgent += usize::from(item.lane != Lane::Lazy);
        self.items.push_back(item);
    }

    fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.load.remove(&item.weight());
        if let Some((cell, _)) = &item.append {
            cell.queued.fetch_sub(item.bytes, Ordering::AcqRel);
        }
        self.urgent -= usize::from(item.lane != Lane::Lazy);
        Some(item)
    }

    fn drain(&mut self) -> Vec<Item> {
        let mut load = Vec::new();
        let (mut bytes, mut records) = (0, 0);
        while bytes < LOAD_BYTES && records < LOAD_RECORDS {
            let Some(item) = self.pop() else {
                load.extend(self.take_hints());
                break;
            };
            bytes += item.bytes;
            records += item.records.len();
            load.push(item);
        }
        load
    }

    fn take_hints(&mut self) -> Option<Item> {
        let hints = std::mem::take(&mut self.hints);
        let records: Vec<_> =
            hints.into_iter().map(|(key, id)| Record { key, op: Op::Committed(id) }).collect();
        (!records.is_empty()).then(|| Item::new(Lane::Lazy, records, None))
    }
}

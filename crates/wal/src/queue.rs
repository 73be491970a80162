//! What waits for the writer, in order, with a bound.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use crate::{
    Done, GroupKey, LogId, Options, WalError,
    format::{Op, Record},
    lock::lock,
    timer::Stopwatch,
    waiter::Waiter,
};

/// The writer takes items until it has this many bytes; one item has at most `BATCH_BYTES_MAX` less this.
const LOAD_BYTES: usize = 4 << 20;
/// Lazy records wait for company, but not more than this many.
const LAZY_RECORDS_MAX: usize = 1024;

/// How an item is admitted and whether the writer wakes for it.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Lane {
    /// Refused when the queue is full.
    Normal,
    /// Never refused: at most a few per group, because its owner waits for each.
    Reserved,
    /// Never refused, written with whatever comes next.
    Lazy,
}

/// Records that become durable together, and who waits for that.
pub(crate) struct Item {
    pub(crate) records: Vec<Record>,
    pub(crate) waiter: Waiter,
    pub(crate) watch: Stopwatch,
    lane: Lane,
    bytes: usize,
}

impl Item {
    fn new(lane: Lane, records: Vec<Record>, done: Option<Done>) -> Self {
        let bytes = records.iter().map(Record::bytes).sum();
        Self { records, waiter: Waiter::new(done), watch: Stopwatch::start(), lane, bytes }
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
    records: usize,
    bytes: usize,
    urgent: usize,
    phase: Phase,
}

/// The queue between all groups and the writer.
pub(crate) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
    bytes_max: usize,
    records_max: usize,
}

impl Queue {
    pub(crate) fn new(options: &Options) -> Self {
        let state = State {
            items: VecDeque::new(),
            hints: BTreeMap::new(),
            records: 0,
            bytes: 0,
            urgent: 0,
            phase: Phase::Open,
        };
        Self {
            state: Mutex::new(state),
            ready: Condvar::new(),
            bytes_max: options.queue_bytes_max,
            records_max: options.queue_records_max,
        }
    }

    /// Takes the item, or changes nothing and drops `done` unrun.
    pub(crate) fn push(&self, lane: Lane, records: Vec<Record>, done: Option<Done>) -> Result<(), WalError> {
        let bytes: usize = records.iter().map(Record::bytes).sum();
        let mut state = lock(&self.state);
        state.check_open()?;
        if lane == Lane::Normal {
            self.admit(&state, bytes, records.len())?;
        }
        state.push(Item::new(lane, records, done));
        if state.is_ready() {
            self.ready.notify_one();
        }
        Ok(())
    }

    /// An empty queue takes anything, so that nothing is refused for ever.
    fn admit(&self, state: &State, bytes: usize, records: usize) -> Result<(), WalError> {
        let over = state.bytes + bytes > self.bytes_max || state.records + records > self.records_max;
        if over && !state.items.is_empty() {
            metrics::counter!("muster_queue_rejected_total", "queue" => "wal").increment(1);
            return Err(WalError::Busy { queued_records: state.records, queued_bytes: state.bytes });
        }
        Ok(())
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

    /// Everything that is ready, up to a bound; waits for it, and answers none when the queue is closed and empty.
    pub(crate) fn take(&self) -> Option<Vec<Item>> {
        let mut state = lock(&self.state);
        while !state.is_ready() {
            state = self.wait(state);
        }
        let load = state.drain();
        (!load.is_empty()).then_some(load)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.ready.wait(state).unwrap_or_else(PoisonError::into_inner)
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
        (state.records, state.bytes, state.urgent) = (0, 0, 0);
        state.items.drain(..).collect()
    }

    pub(crate) fn failed(&self) -> Option<WalError> {
        match &lock(&self.state).phase {
            Phase::Dead(error) => Some(error.clone()),
            _ => None,
        }
    }

    /// Records and bytes that wait.
    pub(crate) fn depth(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.records, state.bytes)
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
        self.urgent > 0 || self.records >= LAZY_RECORDS_MAX || !matches!(self.phase, Phase::Open)
    }

    fn push(&mut self, item: Item) {
        self.records += item.records.len();
        self.bytes += item.bytes;
        self.urgent += usize::from(item.lane != Lane::Lazy);
        self.items.push_back(item);
    }

    fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.records -= item.records.len();
        self.bytes -= item.bytes;
        self.urgent -= usize::from(item.lane != Lane::Lazy);
        Some(item)
    }

    fn drain(&mut self) -> Vec<Item> {
        let mut load = Vec::new();
        let mut bytes = 0;
        while bytes < LOAD_BYTES {
            let Some(item) = self.pop() else {
                load.extend(self.take_hints());
                break;
            };
            bytes += item.bytes;
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

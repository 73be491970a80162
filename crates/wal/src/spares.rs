//! Segments that are made ahead, and what becomes of segments that nobody needs.
//!
//! A spare is written once with zeros, so that a sync of a batch changes no metadata of the file system and cannot run
//! out of space. A dead segment becomes a spare again. Both are done by a thread of their own, the keeper; without one
//! (recovery, simulations) whoever needs a spare makes it.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    ops::Range,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    disk::{Disk, DiskFile},
    fault::{During, Fault},
    format::{damaged_name, parse_spare, segment_name, spare_name, temporary_name},
    lock::lock,
    space::Space,
    timer::Stopwatch,
};

/// How many spares are made ahead once a segment is a quarter full.
const SPARES: usize = 2;
/// More of them than this are given back to the disk.
const SPARES_MAX: usize = 4;
/// Pause before a full disk is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// A spare is synced after so many bytes each, so that a batch never waits behind a whole segment at the disk.
const SYNC_EVERY: u64 = 1 << 20;
/// The longest pause between two such steps.
const YIELD_MAX: Duration = Duration::from_millis(20);
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// A prepared file.
#[derive(Clone, Debug)]
pub(crate) struct Spare {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// It was a segment before.
    pub(crate) recycled: bool,
}

/// A segment that nobody needs any more.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Dead {
    pub(crate) segment: u64,
    pub(crate) bytes: u64,
    /// It has damage that an operator may want to look at.
    pub(crate) damaged: bool,
}

#[derive(Debug, Default)]
struct State {
    spares: VecDeque<Spare>,
    dead: VecDeque<Dead>,
    wanted: usize,
    /// A thread does the work.
    kept: bool,
    closing: bool,
    failed: bool,
    next: u64,
}

/// What the keeper does next.
enum Job {
    Retire(Dead),
    Make(u64),
}

/// What becomes of a dead segment.
enum Fate {
    Aside,
    Deleted,
    Spare(Spare),
}

/// The spare segments of one log. Clones share them.
#[derive(Clone)]
pub(crate) struct Spares(Arc<Inner>);

struct Inner {
    disk: Arc<dyn Disk>,
    space: Arc<Space>,
    segment_bytes: u64,
    state: Mutex<State>,
    changed: Condvar,
}

impl Spares {
    /// With the spares that are on disk already.
    pub(crate) fn new(disk: Arc<dyn Disk>, space: Arc<Space>, segment_bytes: u64) -> Result<Self, Fault> {
        let mut state = State { next: 1, ..State::default() };
        for name in disk.list().during("list the log directory")? {
            let Some(number) = parse_spare(&name) else { continue };
            state.next = state.next.max(number.saturating_add(1));
            let bytes = disk.length(&name).during("look at a spare segment")?;
            state.spares.push_back(Spare { name, bytes, recycled: true });
        }
        let spares = Self(Arc::new(Inner {
            disk,
            space,
            segment_bytes,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }));
        spares.0.publish(&lock(&spares.0.state));
        Ok(spares)
    }

    /// A spare; made here and now with `bytes` if nobody keeps any, else waited for.
    pub(crate) fn take(&self, bytes: u64) -> Result<Spare, Fault> {
        let mut state = lock(&self.0.state);
        loop {
            if let Some(spare) = state.spares.pop_front() {
                self.0.publish(&state);
                self.0.changed.notify_all();
                return Ok(spare);
            }
            if state.failed {
                return Err(io::Error::other("the keeper of spare segments has failed"))
                    .during("take a spare");
            }
            if !state.kept {
                return self.0.make((state.next_number(), bytes), |_| ());
            }
            state.wanted = state.wanted.max(1);
            self.0.changed.notify_all();
            state = self.0.wait(state, None);
        }
    }

    /// From now on spares are made ahead.
    pub(crate) fn make_ahead(&self) {
        let mut state = lock(&self.0.state);
        if state.wanted < SPARES {
            state.wanted = SPARES;
            self.0.changed.notify_all();
        }
    }

    /// Gives a segment back: to the spares, to the disk, or aside if it is damaged.
    pub(crate) fn retire(&self, dead: Dead) -> Result<(), Fault> {
        let mut state = lock(&self.0.state);
        if !state.kept {
            drop(state);
            return self.0.retire(dead);
        }
        state.dead.push_back(dead);
        self.0.changed.notify_all();
        Ok(())
    }

    pub(crate) fn count(&self) -> u64 {
        lock(&self.0.state).spares.len() as u64
    }

    /// From now on a thread that runs [`Spares::keep`] does the work.
    pub(crate) fn hand_over(&self) {
        lock(&self.0.state).kept = true;
    }

    /// The keeper's life: until [`Spares::close`], or the first error that is not a full disk.
    pub(crate) fn keep(&self) -> Result<(), Fault> {
        let outcome = self.serve();
        let mut state = lock(&self.0.state);
        state.failed |= outcome.is_err();
        state.kept = false;
        self.0.changed.notify_all();
        outcome
    }

    fn serve(&self) -> Result<(), Fault> {
        while let Some(job) = self.0.next_job() {
            match job {
                Job::Retire(dead) => self.0.retire(dead)?,
                Job::Make(number) => self.0.make_ahead(number)?,
            }
        }
        Ok(())
    }

    /// Nobody keeps spares any more, and nobody gets one.
    pub(crate) fn give_up(&self) {
        let mut state = lock(&self.0.state);
        (state.failed, state.closing) = (true, true);
        self.0.changed.notify_all();
    }

    /// The keeper ends after what it does now.
    pub(crate) fn close(&self) {
        lock(&self.0.state).closing = true;
        self.0.changed.notify_all();
    }
}

impl State {
    fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn is_idle(&self) -> bool {
        !self.closing && self.dead.is_empty()
    }

    fn job(&mut self) -> Option<Job> {
        if let Some(dead) = self.dead.pop_front() {
            return Some(Job::Retire(dead));
        }
        (self.spares.len() < self.wanted).then(|| Job::Make(self.next_number()))
    }
}

impl Inner {
    fn next_job(&self) -> Option<Job> {
        let mut state = lock(&self.state);
        while !state.closing {
            if let Some(job) = state.job() {
                return Some(job);
            }
            state = self.wait(state, None);
        }
        None
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Option<Duration>) -> MutexGuard<'a, State> {
        match time {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(time) => self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0,
        }
    }

    /// A full disk is waited out: a segment may be given back meanwhile, or somebody makes room.
    fn make_ahead(&self, number: u64) -> Result<(), Fault> {
        match self.make((number, self.segment_bytes), |took| self.yield_disk(took)) {
            Ok(spare) => self.add(spare),
            Err(fault) if is_full(&fault.source) => self.wait_for_space(number)?,
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    fn wait_for_space(&self, number: u64) -> Result<(), Fault> {
        self.space.set_short(true);
        gone(self.disk.remove(&temporary_name(number))).during("give up a spare segment")?;
        let state = lock(&self.state);
        if state.is_idle() {
            drop(self.wait(state, Some(RETRY)));
        }
        Ok(())
    }

    fn add(&self, spare: Spare) {
        let mut state = lock(&self.state);
        state.spares.push_back(spare);
        self.publish(&state);
        self.space.set_short(false);
        self.changed.notify_all();
    }

    fn publish(&self, state: &State) {
        self.space.set_spares(state.spares.iter().map(|spare| spare.bytes).sum());
    }

    /// Written and synced, with a pause after each step, under a name that means nothing, then named.
    fn make(&self, (number, bytes): (u64, u64), pause: impl Fn(Duration)) -> Result<Spare, Fault> {
        let temporary = temporary_name(number);
        let mut file = self.disk.create(&temporary).during("prepare a segment")?;
        let mut at = 0;
        while at < bytes {
            let watch = Stopwatch::start();
            let step = (bytes - at).min(SYNC_EVERY);
            write_zeros(&mut *file, at..at + step).during("prepare a segment")?;
            at += step;
            pause(watch.elapsed());
        }
        file.sync().during("prepare a segment")?;
        let name = spare_name(number);
        self.disk.rename(&temporary, &name).during("prepare a segment")?;
        self.disk.sync_dir().during("prepare a segment")?;
        Ok(Spare { name, bytes, recycled: false })
    }

    /// Leaves the disk to the batches for longer than it was kept from them, unless the next segment is needed soon.
    fn yield_disk(&self, took: Duration) {
        let state = lock(&self.state);
        if !state.closing && self.space.active() * 4 > self.segment_bytes {
            drop(self.wait(state, Some((2 * took).min(YIELD_MAX))));
        }
    }

    /// Durable before it returns: segments go one after the other, oldest first, so that what closes or truncates a group
    /// is never gone before what it closed or truncated. The disk is never waited for with the state locked: the writer
    /// looks at it with each batch.
    fn retire(&self, dead: Dead) -> Result<(), Fault> {
        let name = segment_name(dead.segment);
        match self.fate(&dead) {
            Fate::Aside => {
                self.disk.rename(&name, &damaged_name(dead.segment)).during("put a damaged segment aside")?;
                self.disk.sync_dir().during("put a damaged segment aside")
            }
            Fate::Deleted => {
                self.disk.remove(&name).during("delete a segment")?;
                self.disk.sync_dir().during("delete a segment")
            }
            Fate::Spare(spare) => {
                self.disk.rename(&name, &spare.name).during("recycle a segment")?;
                self.disk.sync_dir().during("recycle a segment")?;
                self.add(spare);
                Ok(())
            }
        }
    }

    fn fate(&self, dead: &Dead) -> Fate {
        let mut state = lock(&self.state);
        let is_wanted = dead.bytes == self.segment_bytes && state.spares.len() < SPARES_MAX;
        match (dead.damaged, is_wanted) {
            (true, _) => Fate::Aside,
            (false, false) => Fate::Deleted,
            (false, true) => {
                let name = spare_name(state.next_number());
                Fate::Spare(Spare { name, bytes: dead.bytes, recycled: true })
            }
        }
    }
}

fn write_zeros(file: &mut dyn DiskFile, range: Range<u64>) -> io::Result<()> {
    for at in range.clone().step_by(ZEROS.len()) {
        let step = (range.end - at).min(ZEROS.len() as u64);
        file.write_at(at, &ZEROS[..step as usize])?;
    }
    file.sync()
}

/// Whether it was there or not, it is not there now.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

//! Groups of jobs that are acknowledged already: born one after the other, as fast as the processor allows. Submissions
//! and what runs go first. Whoever needs a group does not wait for its turn: it is opened at once.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use muster_machine::Machine;
use muster_runtime::TaskKind;
use muster_wire::MemberNumber;
use tokio::sync::Notify;

use super::Host;
use super::slot::Slot;
use crate::error::ProposeError;
use crate::raft::opening::Opening;

const BIRTHS: TaskKind = TaskKind::vital("group_births");
const TICK: Duration = Duration::from_millis(10);
/// A tick that comes later than this says that more is ready to run than there are processors.
const LATE: Duration = Duration::from_millis(2);
/// Between two looks at groups that are another member's to give birth to.
const LOOK_TICKS: u32 = 25;
/// After so many looks (30 s) such a group is taken as one's own: its proposer lives, and comes to nothing.
const LOOKS_MAX: u32 = 120;

/// Groups that wait for their birth.
pub(crate) struct Births<M: Machine> {
    waiting: Mutex<Waiting<M>>,
    more: Notify,
}

struct Waiting<M: Machine> {
    mine: VecDeque<Arc<Slot<M>>>,
    /// Others lead these from birth, and their first frame opens the replica here. With the number of looks.
    others: Vec<(Arc<Slot<M>>, u32)>,
}

impl<M: Machine> Default for Births<M> {
    fn default() -> Self {
        let waiting = Waiting { mine: VecDeque::new(), others: Vec::new() };
        Self { waiting: Mutex::new(waiting), more: Notify::new() }
    }
}

impl<M: Machine> Births<M> {
    fn lock(&self) -> MutexGuard<'_, Waiting<M>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, slot: Arc<Slot<M>>, is_mine: bool) {
        match is_mine {
            true => self.lock().mine.push_back(slot),
            false => self.lock().others.push((slot, 0)),
        }
        self.more.notify_one();
    }

    fn len(&self) -> usize {
        let waiting = self.lock();
        waiting.mine.len() + waiting.others.len()
    }

    /// The next ones of this node's own; those that were opened meanwhile do not count.
    fn take(&self, most: usize) -> Vec<Arc<Slot<M>>> {
        let mut waiting = self.lock();
        let unborn = std::iter::from_fn(|| waiting.mine.pop_front()).filter(|slot| slot.is_at_rest());
        unborn.take(most).collect()
    }

    /// Groups of others that were opened leave; those that wait in vain become this node's own.
    fn look(&self, lives: impl Fn(MemberNumber) -> bool) {
        let mut waiting = self.lock();
        for (slot, looks) in mem::take(&mut waiting.others) {
            let in_vain = looks >= LOOKS_MAX || !slot.opening.proposer().is_some_and(&lives);
            match (slot.is_at_rest(), in_vain) {
                (false, _) => {}
                (true, true) => waiting.mine.push_back(slot),
                (true, false) => waiting.others.push((slot, looks + 1)),
            }
        }
    }
}

pub(crate) fn start<M: Machine>(host: &Arc<Host<M>>) {
    let host = host.clone();
    let scope = host.scope().clone();
    scope.spawn_until_stop(BIRTHS, async move { host.give_births().await });
}

impl<M: Machine> Host<M> {
    /// A new group whose job is acknowledged.
    pub(crate) fn await_turn(self: &Arc<Self>, opening: Opening) -> Result<Arc<Slot<M>>, ProposeError> {
        let is_mine = opening.proposer() == Some(self.me());
        let slot = self.ensure_slot(opening)?;
        self.births.add(slot.clone(), is_mine);
        Ok(slot)
    }

    async fn give_births(self: Arc<Self>) {
        loop {
            self.births.more.notified().await;
            self.until_all_are_born().await;
        }
    }

    async fn until_all_are_born(self: &Arc<Self>) {
        let mut pace = Pace::default();
        for tick in 1_u32.. {
            self.births.take(pace.births()).iter().for_each(|slot| self.open(slot));
            if tick.is_multiple_of(LOOK_TICKS) {
                self.births.look(|member| self.peers().is_live(member));
            }
            let waiting = self.births.len();
            metrics::gauge!("muster_group_births_waiting").set(waiting as f64);
            if waiting == 0 {
                return;
            }
            pace.adapt(self.late_tick().await);
        }
    }

    /// Rests for a tick; how much later it ended.
    async fn late_tick(&self) -> Duration {
        let begun = self.clock().now();
        tokio::time::sleep(TICK).await;
        self.clock().now().saturating_duration_since(begun + TICK)
    }
}

/// How many births a tick may have, in parts of one: more while ticks are on time, half as many when one is late.
struct Pace {
    rate: u32,
    credit: u32,
}

const ONE: u32 = 160;
/// 200 births a second.
const RATE_FIRST: u32 = 2 * ONE;
/// 12 births a second: jobs begin on the busiest machine.
const RATE_MIN: u32 = ONE / 8;
/// 1,600 births a second.
const RATE_MAX: u32 = 16 * ONE;

impl Default for Pace {
    fn default() -> Self {
        Self { rate: RATE_FIRST, credit: 0 }
    }
}

impl Pace {
    fn births(&mut self) -> usize {
        self.credit += self.rate;
        let births = self.credit / ONE;
        self.credit %= ONE;
        births as usize
    }

    fn adapt(&mut self, late: Duration) {
        let rate = match late > LATE {
            true => self.rate / 2,
            false => self.rate + 1 + self.rate / 64,
        };
        self.rate = rate.clamp(RATE_MIN, RATE_MAX);
    }
}

#[cfg(test)]
#[path = "births_test.rs"]
mod births_test;

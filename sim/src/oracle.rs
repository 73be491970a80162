//! What must be true of every answer and of every replica, whatever fails.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use muster_wire::{JobId, Token};

use crate::ledger::{How, Ledger, chained};

/// Clones are the same oracle.
#[derive(Clone, Default)]
pub(crate) struct Oracle(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    jobs: BTreeMap<JobId, History>,
    faults: Vec<String>,
    counts: Counts,
}

/// What was checked.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Counts {
    pub(crate) puts: u64,
    pub(crate) acks: u64,
    /// Of those, by the state that a job began with.
    pub(crate) opened: u64,
    pub(crate) reads: u64,
    pub(crate) states: u64,
}

/// One job: its one true list of numbers, and what clients were told.
#[derive(Default)]
struct History {
    /// The numbers in the order in which some replica has applied them.
    canon: Vec<u64>,
    /// The ledger's hash after each; one more than `canon`.
    hashes: Vec<u64>,
    /// Where clients were told that their numbers are, both ways.
    places: BTreeMap<u64, u64>,
    told: BTreeMap<u64, u64>,
    issued: BTreeMap<u64, How>,
    /// Where the lead was taken last, in the canon.
    token: Token,
    /// What a linearizable read that begins now must see at least.
    floor: u64,
    /// Was a client told that it is there?
    is_registered: bool,
    is_ending: bool,
    is_over: bool,
}

impl Oracle {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first thing that must not be.
    pub(crate) fn fault(&self) -> Option<String> {
        self.state().faults.first().cloned()
    }

    pub(crate) fn accuse(&self, fault: String) {
        self.state().faults.push(fault);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.state().counts
    }

    pub(crate) fn registered(&self, job: JobId) {
        self.state().history(job).is_registered = true;
    }

    /// Jobs that are there, or were, or may be.
    pub(crate) fn begun(&self) -> Vec<JobId> {
        self.state().those(|_| true)
    }

    pub(crate) fn jobs(&self) -> Vec<JobId> {
        self.state().those(|history| history.is_registered)
    }

    /// Jobs that nobody has tried to end.
    pub(crate) fn lasting(&self) -> Vec<JobId> {
        self.state().those(|history| history.is_registered && !history.is_ending)
    }

    /// A first number was acknowledged without another proposal.
    pub(crate) fn opened(&self) {
        self.state().counts.opened += 1;
    }

    pub(crate) fn end_begins(&self, job: JobId) {
        self.state().history(job).is_ending = true;
    }

    pub(crate) fn ended(&self, job: JobId) {
        self.state().history(job).is_over = true;
    }

    /// A number that was never used; its bytes stand nowhere else.
    pub(crate) fn put_begins(&self, job: JobId, how: How) -> u64 {
        let mut state = self.state();
        state.counts.puts += 1;
        let number = chained(0, state.counts.puts);
        state.history(job).issued.insert(number, how);
        number
    }

    /// The number that was acknowledged last, with its place.
    pub(crate) fn newest_ack(&self, job: JobId) -> Option<(u64, u64)> {
        self.state().history(job).told.last_key_value().map(|(place, number)| (*place, *number))
    }

    pub(crate) fn put_acked(&self, job: JobId, number: u64, place: u64) {
        let mut state = self.state();
        state.counts.acks += 1;
        let faults = state.history(job).ack(number, place);
        state.add(job, "a client", faults);
    }

    /// What the read that begins must see.
    pub(crate) fn read_begins(&self, job: JobId) -> u64 {
        self.state().history(job).floor
    }

    pub(crate) fn read_ended(&self, job: JobId, floor: u64, ledger: &Ledger) {
        let mut state = self.state();
        state.counts.reads += 1;
        let faults = state.history(job).read(floor, ledger);
        state.add(job, "a read", faults);
    }

    /// A replica, or a stale read, shows this state.
    pub(crate) fn observe(&self, job: JobId, place: &str, ledger: &Ledger) {
        let mut state = self.state();
        state.counts.states += 1;
        let faults = state.history(job).observe(ledger);
        state.add(job, place, faults);
    }

    /// The job is gone, says a node.
    pub(crate) fn gone(&self, job: JobId) {
        let mut state = self.state();
        if !state.history(job).is_ending {
            state.faults.push(format!("job {job}: a node says that it is gone, but nobody ended it"));
        }
    }
}

impl State {
    fn those(&self, are: impl Fn(&History) -> bool) -> Vec<JobId> {
        self.jobs.iter().filter(|(_, history)| are(history)).map(|(job, _)| *job).collect()
    }

    fn history(&mut self, job: JobId) -> &mut History {
        self.jobs.entry(job).or_default()
    }

    fn add(&mut self, job: JobId, place: &str, faults: Option<String>) {
        self.faults.extend(faults.map(|fault| format!("job {job}, {place}: {fault}")));
    }
}

impl History {
    fn ack(&mut self, number: u64, place: u64) -> Option<String> {
        self.floor = self.floor.max(place);
        self.told.insert(place, number);
        let before = self.places.insert(number, place).filter(|before| *before != place);
        let twice =
            before.map(|before| format!("{number} was acknowledged at {before} and again at {place}"));
        twice.or_else(|| self.check_place(number, place))
    }

    fn check_place(&self, number: u64, place: u64) -> Option<String> {
        let there = self.canon.get(place as usize - 1).filter(|there| **there != number);
        there.map(|there| format!("{number} was acknowledged at {place}, where {there} is"))
    }

    fn read(&mut self, floor: u64, ledger: &Ledger) -> Option<String> {
        let length = ledger.numbers.len() as u64;
        let fault = self.observe(ledger);
        self.floor = self.floor.max(length);
        fault.or_else(|| {
            (length < floor)
                .then(|| format!("a stale read: {length} numbers, {floor} were known before it began"))
        })
    }

    fn observe(&mut self, ledger: &Ledger) -> Option<String> {
        if self.hashes.is_empty() {
            self.hashes.push(0);
        }
        self.is_over |= ledger.over_ms.is_some();
        self.agrees(ledger).or_else(|| self.extend(ledger))
    }

    /// Does it say the same as all others, as far as both go?
    fn agrees(&self, ledger: &Ledger) -> Option<String> {
        let length = ledger.numbers.len();
        match self.hashes.get(length) {
            Some(hash) if *hash != ledger.hash => Some(self.difference(ledger)),
            _ => None,
        }
    }

    fn difference(&self, ledger: &Ledger) -> String {
        let at = self.canon.iter().zip(&ledger.numbers).position(|(ours, theirs)| ours != theirs);
        let at = at.unwrap_or(usize::MAX);
        let pair = (self.canon.get(at), ledger.numbers.get(at));
        format!("replicas differ: at {at} of {} there are {pair:?}", ledger.numbers.len())
    }

    fn extend(&mut self, ledger: &Ledger) -> Option<String> {
        let known = self.canon.len();
        let prefix = ledger.numbers.iter().take(known).fold(0, |hash, number| chained(hash, *number));
        if ledger.numbers.len() > known && prefix != self.hashes[known] {
            return Some(self.difference(ledger));
        }
        ledger
            .numbers
            .iter()
            .skip(known)
            .copied()
            .collect::<Vec<_>>()
            .into_iter()
            .find_map(|number| self.append(number))
    }

    fn append(&mut self, number: u64) -> Option<String> {
        let Some(how) = self.issued.get(&number).copied() else {
            return Some(format!("{number} was never put"));
        };
        if self.canon.contains(&number) {
            return Some(format!("{number} was applied twice"));
        }
        let hash = chained(self.hashes.last().copied().unwrap_or_default(), number);
        self.canon.push(number);
        self.hashes.push(hash);
        let place = self.canon.len() as u64;
        let told = self.told.get(&place).filter(|told| **told != number);
        let lost = told.map(|told| {
            format!("{told} was acknowledged at {place}, where {number} is: an acknowledged write is lost")
        });
        lost.or_else(|| self.check_fence(place, how))
    }

    /// Whoever puts under a token must have been the last to take the lead.
    fn check_fence(&mut self, place: u64, how: How) -> Option<String> {
        match how {
            How::Leading => self.token = Token(place),
            How::Under(token) if token != self.token => {
                let known = self.token;
                return Some(format!(
                    "a write under token {token} is at {place}, where {known} has the lead"
                ));
            }
            How::Freely | How::Under(_) => {}
        }
        None
    }
}

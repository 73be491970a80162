//! A job's state for tests: the numbers that were put, in order, and whether it is over.

use imbl::Vector;
use muster_machine::{Apply, Entry, Machine, Outcome, Retired, Stamp, Table, command_table};
use muster_wire::job::JobStatus;
use muster_wire::{CodecError, JobId, Token};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ledger {
    pub(crate) numbers: Vector<u64>,
    pub(crate) over_ms: Option<u64>,
    pub(crate) due_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Put(pub(crate) u64);

#[derive(Serialize, Deserialize)]
pub(crate) struct End {}

/// Something is owed then, ms since 1970.
#[derive(Serialize, Deserialize)]
pub(crate) struct Owe(pub(crate) Option<u64>);

impl Apply<Ledger> for Owe {
    fn apply(self, ledger: &mut Ledger, _: Stamp) -> Outcome {
        ledger.due_ms = self.0;
        Outcome::done()
    }
}

impl Apply<Ledger> for Put {
    fn apply(self, ledger: &mut Ledger, _: Stamp) -> Outcome {
        ledger.numbers.push_back(self.0);
        Outcome::applied(&(ledger.numbers.len() as u64))
    }
}

impl Apply<Ledger> for End {
    fn apply(self, ledger: &mut Ledger, stamp: Stamp) -> Outcome {
        ledger.over_ms = Some(stamp.at_ms);
        Outcome::done()
    }
}

command_table! { Ledger:
    1 => Put, "put" -> u64 { guards: [] },
    2 => End, "end" -> () { guards: [] },
    3 => Owe, "owe" -> () { guards: [] },
}

impl Machine for Ledger {
    const TIER: &'static str = "test";

    fn table() -> &'static Table<Self> {
        &COMMANDS
    }

    fn token(&self) -> Token {
        Token(0)
    }

    fn next_due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    fn retired(&self) -> Option<Retired> {
        self.over_ms.map(|at_ms| Retired { status: JobStatus::Completed, token: Token(1), at_ms })
    }

    fn encode(&self) -> Result<Vec<u8>, CodecError> {
        muster_wire::encode(&(self.numbers.iter().copied().collect::<Vec<u64>>(), self.over_ms, self.due_ms))
    }

    fn restore(bytes: &[u8]) -> Result<Self, CodecError> {
        let (numbers, over_ms, due_ms): (Vec<u64>, Option<u64>, Option<u64>) = muster_wire::decode(bytes)?;
        Ok(Self { numbers: numbers.into(), over_ms, due_ms })
    }
}

pub(crate) fn put(job: JobId, number: u64) -> Entry {
    Entry::new(job, Token(0), 1).with(&Put(number)).unwrap()
}

pub(crate) fn owe(job: JobId, due_ms: Option<u64>) -> Entry {
    Entry::new(job, Token(0), 1).with(&Owe(due_ms)).unwrap()
}

pub(crate) fn end(job: JobId) -> Entry {
    Entry::new(job, Token(0), 1).with(&End {}).unwrap()
}

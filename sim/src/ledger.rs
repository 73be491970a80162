//! The replicated state of a simulated job: the numbers that were put, in order, with a hash over all of them.

use imbl::Vector;
use muster_machine::{Apply, Entry, Machine, Outcome, Reason, Retired, Stamp, Table, command_table};
use muster_wire::job::JobStatus;
use muster_wire::{CodecError, JobId, RequestId, Token};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ledger {
    pub(crate) numbers: Vector<u64>,
    /// Over all numbers in their order.
    pub(crate) hash: u64,
    pub(crate) over_ms: Option<u64>,
}

/// Appends a number; the reply is its place, from 1.
#[derive(Serialize, Deserialize)]
pub(crate) struct Put(pub(crate) u64);

/// The job is over: nothing more is put, and its group is retired.
#[derive(Serialize, Deserialize)]
pub(crate) struct End {}

/// The hash with one more number.
pub(crate) fn chained(hash: u64, number: u64) -> u64 {
    let mixed = (hash ^ number).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}

impl Apply<Ledger> for Put {
    fn apply(self, ledger: &mut Ledger, _: Stamp) -> Outcome {
        if ledger.over_ms.is_some() {
            return Outcome::Rejected(Reason::Gone { status: JobStatus::Completed });
        }
        ledger.numbers.push_back(self.0);
        ledger.hash = chained(ledger.hash, self.0);
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
}

impl Machine for Ledger {
    const TIER: &'static str = "sim";

    fn table() -> &'static Table<Self> {
        &COMMANDS
    }

    fn token(&self) -> Token {
        Token(0)
    }

    fn next_due_ms(&self) -> Option<u64> {
        None
    }

    fn retired(&self) -> Option<Retired> {
        self.over_ms.map(|at_ms| Retired { status: JobStatus::Completed, token: Token(1), at_ms })
    }

    fn encode(&self) -> Result<Vec<u8>, CodecError> {
        muster_wire::encode(&(self.numbers.iter().copied().collect::<Vec<u64>>(), self.hash, self.over_ms))
    }

    fn restore(bytes: &[u8]) -> Result<Self, CodecError> {
        let (numbers, hash, over_ms): (Vec<u64>, u64, Option<u64>) = muster_wire::decode(bytes)?;
        Ok(Self { numbers: numbers.into(), hash, over_ms })
    }
}

pub(crate) fn put(job: JobId, number: u64, request: RequestId, at_ms: u64) -> anyhow::Result<Entry> {
    Ok(Entry::new(job, Token(0), at_ms).with(&Put(number))?.for_request(request))
}

pub(crate) fn end(job: JobId, request: RequestId, at_ms: u64) -> anyhow::Result<Entry> {
    Ok(Entry::new(job, Token(0), at_ms).with(&End {})?.for_request(request))
}

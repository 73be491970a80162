//! The replicated state of a simulated job: the numbers that were put, in order, with a hash over all of them. Whoever
//! takes the lead puts a number, too; its place is the token under which its fenced puts must come.

use imbl::Vector;
use muster_consensus::directory::JobSummary;
use muster_machine::{Apply, Entry, Machine, Outcome, Reason, Retired, Stamp, Table, command_table, fence};
use muster_wire::job::JobStatus;
use muster_wire::{CodecError, JobId, RequestId, Token};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ledger {
    pub(crate) numbers: Vector<u64>,
    /// Over all numbers in their order.
    pub(crate) hash: u64,
    /// The place at which the lead was taken last.
    pub(crate) token: Token,
    pub(crate) over_ms: Option<u64>,
}

/// Appends a number; the reply is its place, from 1.
#[derive(Serialize, Deserialize)]
pub(crate) struct Put(pub(crate) u64);

/// Like [`Put`], by whoever has the lead.
#[derive(Serialize, Deserialize)]
pub(crate) struct FencedPut(pub(crate) u64);

/// Takes the lead, and puts a number that shows where.
#[derive(Serialize, Deserialize)]
pub(crate) struct Lead(pub(crate) u64);

/// How a number is put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    Freely,
    Under(Token),
    Leading,
}

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
        ledger.append(self.0)
    }
}

impl Apply<Ledger> for FencedPut {
    fn apply(self, ledger: &mut Ledger, _: Stamp) -> Outcome {
        ledger.append(self.0)
    }
}

impl Apply<Ledger> for Lead {
    fn apply(self, ledger: &mut Ledger, _: Stamp) -> Outcome {
        let outcome = ledger.append(self.0);
        ledger.token = Token(ledger.numbers.len() as u64);
        outcome
    }
}

impl Ledger {
    fn append(&mut self, number: u64) -> Outcome {
        self.numbers.push_back(number);
        self.hash = chained(self.hash, number);
        Outcome::applied(&(self.numbers.len() as u64))
    }
}

fn is_open(ledger: &Ledger, _: &Stamp) -> Result<(), Reason> {
    match ledger.over_ms {
        Some(_) => Err(Reason::Gone { status: JobStatus::Completed }),
        None => Ok(()),
    }
}

fn current_token(ledger: &Ledger, stamp: &Stamp) -> Result<(), Reason> {
    fence::check(ledger.token, stamp.token)
}

impl Apply<Ledger> for End {
    fn apply(self, ledger: &mut Ledger, stamp: Stamp) -> Outcome {
        ledger.over_ms = Some(stamp.at_ms);
        Outcome::done()
    }
}

command_table! { Ledger:
    1 => Put, "put" -> u64 { guards: [is_open] },
    2 => End, "end" -> () { guards: [] },
    3 => FencedPut, "fenced_put" -> u64 { guards: [is_open, current_token] },
    4 => Lead, "lead" -> u64 { guards: [is_open] },
}

impl Machine for Ledger {
    const TIER: &'static str = "sim";

    fn table() -> &'static Table<Self> {
        &COMMANDS
    }

    fn token(&self) -> Token {
        self.token
    }

    fn next_due_ms(&self) -> Option<u64> {
        None
    }

    fn retired(&self) -> Option<Retired> {
        self.over_ms.map(|at_ms| Retired { status: JobStatus::Completed, token: Token(1), at_ms })
    }

    fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let numbers: Vec<u64> = self.numbers.iter().copied().collect();
        muster_wire::encode(&(numbers, self.hash, self.token, self.over_ms))
    }

    fn restore(bytes: &[u8]) -> Result<Self, CodecError> {
        let (numbers, hash, token, over_ms): (Vec<u64>, u64, Token, Option<u64>) =
            muster_wire::decode(bytes)?;
        Ok(Self { numbers: numbers.into(), hash, token, over_ms })
    }
}

pub(crate) fn put(
    job: JobId,
    (number, how): (u64, How),
    request: RequestId,
    at_ms: u64,
) -> anyhow::Result<Entry> {
    let entry = match how {
        How::Freely => Entry::new(job, Token(0), at_ms).with(&Put(number))?,
        How::Under(token) => Entry::new(job, token, at_ms).with(&FencedPut(number))?,
        How::Leading => Entry::new(job, Token(0), at_ms).with(&Lead(number))?,
    };
    Ok(entry.for_request(request))
}

pub(crate) fn end(job: JobId, request: RequestId, at_ms: u64) -> anyhow::Result<Entry> {
    Ok(Entry::new(job, Token(0), at_ms).with(&End {})?.for_request(request))
}

/// What the directory is told of a job, once: that its group has begun.
pub(crate) fn summary(ledger: &Ledger) -> JobSummary {
    JobSummary {
        status: JobStatus::Running,
        version: 1,
        token: ledger.token(),
        progress_percent: 0,
        created_at_ms: 0,
        started_at_ms: None,
        finished_at_ms: None,
        delivered: false,
    }
}

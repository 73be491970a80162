//! Each safety mechanism is switched off alone; a mechanism that nobody misses is not tested.

use crate::verdict::Verdict;

use super::seeds::Program;
use super::{SABOTAGE, build};

/// A mechanism, what goes wrong without it, and within how many seeds that must be seen.
pub(super) struct Mechanism {
    pub(super) name: &'static str,
    pub(super) without: &'static str,
    pub(super) seeds: u64,
}

/// As the product asks for them by name.
pub(super) const MECHANISMS: &[Mechanism] = &[
    Mechanism {
        name: "append-durable",
        without: "entries are acknowledged before they are durable",
        seeds: 100,
    },
    Mechanism { name: "vote-durable", without: "a vote is given before it is durable", seeds: 200 },
    Mechanism { name: "batch-synced", without: "the log does not sync", seeds: 100 },
    Mechanism { name: "truncate-durable", without: "the log goes on before a cut is durable", seeds: 200 },
    Mechanism { name: "leader-restore", without: "a restarted leader leads without an election", seeds: 200 },
    Mechanism { name: "birth-once", without: "a group that was there is born again", seeds: 100 },
    Mechanism { name: "request-dedup", without: "a repeated request is applied again", seeds: 100 },
    Mechanism { name: "read-quorum", without: "a read asks no quorum", seeds: 100 },
    Mechanism { name: "read-applied", without: "a read does not wait for what it must see", seeds: 100 },
    Mechanism {
        name: "snapshot-durable",
        without: "the log is cut behind a snapshot that is not durable",
        seeds: 200,
    },
    Mechanism { name: "install-saved", without: "a received snapshot is not kept", seeds: 200 },
];

/// Broken when a mechanism is not missed.
pub(super) fn all_are_missed(names: &[String]) -> anyhow::Result<Verdict> {
    let program = build(SABOTAGE)?;
    let mut faults = Vec::new();
    for mechanism in
        MECHANISMS.iter().filter(|row| names.is_empty() || names.iter().any(|name| name == row.name))
    {
        match first_red(&program, mechanism)? {
            Some(told) => println!("{:<18} {}: missed by {told}", mechanism.name, mechanism.without),
            None => {
                faults.push(format!("{}: {} seeds, and nobody missed it", mechanism.name, mechanism.seeds))
            }
        }
    }
    Ok(Verdict::from_faults(&faults))
}

fn first_red(program: &Program, mechanism: &Mechanism) -> anyhow::Result<Option<String>> {
    let program = program.clone().without(mechanism.name);
    for seed in 1..=mechanism.seeds {
        if let Some(fault) = program.run(seed)?.fault {
            return Ok(Some(fault));
        }
    }
    Ok(None)
}

//! Each safety mechanism is switched off alone; a mechanism that nobody misses is not tested.

use crate::verdict::Verdict;

use super::seeds::Program;
use super::{SABOTAGE, build};

/// A mechanism, what goes wrong without it, and within how many seeds that must be seen.
pub(super) struct Mechanism {
    pub(super) name: &'static str,
    pub(super) without: &'static str,
    pub(super) seeds: u64,
    /// The course of events that it is there for, where drawn faults seldom meet it.
    pub(super) script: Option<&'static str>,
}

const fn drawn(name: &'static str, without: &'static str, seeds: u64) -> Mechanism {
    Mechanism { name, without, seeds, script: None }
}

const fn scripted(name: &'static str, script: &'static str, without: &'static str) -> Mechanism {
    Mechanism { name, without, seeds: SCRIPTED_SEEDS, script: Some(script) }
}

/// Within so many seeds a script must show what it is there for.
const SCRIPTED_SEEDS: u64 = 20;

/// As the product asks for them by name.
const MECHANISMS: &[Mechanism] = &[
    drawn("append-durable", "entries are acknowledged before they are durable", 100),
    drawn("batch-synced", "the log does not sync", 100),
    drawn("birth-once", "a group that was there is born again", 100),
    drawn("request-dedup", "a repeated request is applied again", 100),
    drawn("read-applied", "a read does not wait for what it must see", 100),
    drawn("snapshot-durable", "the log is cut behind a snapshot that is not durable", 200),
    drawn("fencing-token", "a command of a leader that was replaced is applied", 100),
    drawn("append-order", "an append that overtook another counts as refused", 100),
    scripted("read-quorum", "deposed", "a read asks no quorum"),
    scripted("leader-restore", "stalled-leader", "a restarted leader leads without an election"),
    scripted("vote-durable", "forgotten-vote", "a vote is given before it is durable"),
    scripted("truncate-durable", "given-up", "a snapshot is kept before a cut of the log is durable"),
    scripted("install-saved", "far-behind", "a received snapshot is not kept"),
    scripted("stale-incarnation", "rotten", "a replica answers for the one that it replaces"),
];

/// The mechanism's script, if it is known and has one.
pub(super) fn script_of(name: &str) -> Option<&'static str> {
    MECHANISMS.iter().find(|row| row.name == name)?.script
}

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
    let program = program.clone().without(mechanism.name).playing(mechanism.script);
    for seed in 1..=mechanism.seeds {
        if let Some(fault) = program.run(seed)?.fault {
            return Ok(Some(fault));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sources;

    const ASKED: &str = "is_sabotaged(\"";

    fn asked_in(text: &str) -> Vec<String> {
        let names = text.split(ASKED).skip(1).filter_map(|rest| rest.split('"').next());
        names.map(str::to_owned).collect()
    }

    #[test]
    fn every_switch_of_the_product_is_tried_and_no_other() {
        let files = sources::rust_files(&sources::workspace_root().join("crates")).unwrap();
        let asked: BTreeSet<String> =
            files.iter().flat_map(|file| asked_in(&sources::read(file).unwrap())).collect();
        let tried: BTreeSet<String> = MECHANISMS.iter().map(|row| row.name.to_owned()).collect();
        assert_eq!(asked, tried);
    }

    #[test]
    fn the_simulation_knows_every_script() {
        let scripts = sources::read(&sources::workspace_root().join("sim/src/scripts.rs")).unwrap();
        let named = MECHANISMS.iter().filter_map(|row| row.script);
        let missing: Vec<&str> =
            named.filter(|name| !scripts.contains(&format!("(\"{name}\", Script::"))).collect();
        assert_eq!(missing, Vec::<&str>::new());
        assert_eq!((script_of("read-quorum"), script_of("birth-once")), (Some("deposed"), None));
    }
}

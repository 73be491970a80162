//! What a gate says at its end.

use std::process::Command;

use anyhow::Context as _;

/// The outcome of one gate; an error beside it means that the gate itself could not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything that was looked at is as it should be.
    Held,
    /// At least one fault was found, and printed.
    Broken,
    /// Nothing was looked at, for this reason.
    Skipped(String),
}

impl Verdict {
    /// Prints each fault on its own line of stdout; no fault means [`Verdict::Held`].
    pub(crate) fn from_faults(faults: &[String]) -> Self {
        faults.iter().for_each(|fault| println!("{fault}"));
        if faults.is_empty() { Verdict::Held } else { Verdict::Broken }
    }

    /// Runs a program that tells faults by its exit status.
    pub(crate) fn of(command: &mut Command) -> anyhow::Result<Self> {
        let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
        Ok(Self::from_status(status))
    }

    /// The verdict of a program that tells faults by its exit status.
    pub(crate) fn from_status(status: std::process::ExitStatus) -> Self {
        if status.success() { Verdict::Held } else { Verdict::Broken }
    }
}

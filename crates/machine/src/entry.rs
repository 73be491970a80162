//! One log entry: one or more commands that are applied in order, all or nothing.

use muster_wire::{CodecError, JobId, RequestId, Token};
use serde::{Deserialize, Serialize};

use crate::table::Command;

/// The feature version of this build. An entry above it stops the replica that meets it, until upgraded.
pub const FEATURE: u16 = 1;
/// The largest encoded entry: a 4 MiB submission and 64 KiB around it.
pub const ENTRY_BYTES_MAX: usize = 4 * 1024 * 1024 + 64 * 1024;

/// One command as it stands in the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Envelope {
    /// The command's stable number in its machine's table.
    pub tag: u16,
    /// The command, encoded.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// One log entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The job whose group this is; the directory uses the id 0.
    pub job: JobId,
    /// A client's request, whose outcome is kept; [`RequestId::INTERNAL`] for reconcilers.
    pub request: RequestId,
    /// The job's token, where the commands are fenced.
    pub token: Token,
    /// The proposer's wall clock, ms since 1970.
    pub at_ms: u64,
    /// The feature version needed to apply it.
    pub feature: u16,
    /// In order.
    pub commands: Vec<Envelope>,
}

/// An entry that cannot be built; nothing was proposed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// A command does not encode.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Above [`ENTRY_BYTES_MAX`].
    #[error("entry of {0} bytes is over the limit of {ENTRY_BYTES_MAX}")]
    TooLarge(usize),
}

impl Entry {
    /// An internal entry under `token`.
    pub fn new(job: JobId, token: Token, at_ms: u64) -> Self {
        Self { job, request: RequestId::INTERNAL, token, at_ms, feature: FEATURE, commands: Vec::new() }
    }

    /// Keeps its outcome for repeats of the same client request.
    #[must_use]
    pub fn for_request(mut self, request: RequestId) -> Self {
        self.request = request;
        self
    }

    /// Adds a command.
    pub fn push<C: Command>(&mut self, command: &C) -> Result<(), CodecError> {
        self.commands.push(Envelope { tag: C::TAG, body: muster_wire::encode(command)? });
        Ok(())
    }

    /// Adds a command, for chains.
    pub fn with<C: Command>(mut self, command: &C) -> Result<Self, CodecError> {
        self.push(command)?;
        Ok(self)
    }

    /// The entry's bytes, within the bound.
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        let bytes = muster_wire::encode(self)?;
        match bytes.len() > ENTRY_BYTES_MAX {
            true => Err(EntryError::TooLarge(bytes.len())),
            false => Ok(bytes),
        }
    }

    /// The entry of these bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        muster_wire::decode(bytes)
    }
}

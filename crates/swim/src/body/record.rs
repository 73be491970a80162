//! A belief about one process, as it is told around.

use std::sync::Arc;

use muster_wire::{Generation, NodeId};

use crate::model::{LeaveReason, META_BYTES_MAX, Meta, State};

use super::bytes::{Reader, put_id, put_varint};

const STATE_BITS: u8 = 0b11;
const HAS_BY: u8 = 0b100;
const HAS_REASON: u8 = 0b1000;
const HAS_META: u8 = 0b1_0000;

/// A belief about one process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The node.
    pub id: NodeId,
    /// Its process.
    pub generation: Generation,
    /// Its incarnation.
    pub incarnation: u32,
    /// What is believed.
    pub state: State,
    /// Counts the changes of its metadata.
    pub meta_version: u32,
    /// Who found it silent: for suspicions and deaths.
    pub by: Option<NodeId>,
    /// Why it left.
    pub reason: Option<LeaveReason>,
    /// Its metadata; left out where the receiver will know it.
    pub meta: Option<Arc<Meta>>,
}

impl Record {
    fn flags(&self) -> u8 {
        let parts = [
            (self.by.is_some(), HAS_BY),
            (self.reason.is_some(), HAS_REASON),
            (self.meta.is_some(), HAS_META),
        ];
        parts.iter().filter(|(is_there, _)| *is_there).fold(self.state.code(), |flags, (_, bit)| flags | bit)
    }

    /// `None` if its metadata is too long.
    pub(super) fn encoded(&self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(48);
        out.push(self.flags());
        put_id(&mut out, self.id);
        put_varint(&mut out, self.generation.0);
        put_varint(&mut out, u64::from(self.incarnation));
        put_varint(&mut out, u64::from(self.meta_version));
        self.by.iter().for_each(|by| put_id(&mut out, *by));
        out.extend(self.reason.map(LeaveReason::code));
        if let Some(meta) = &self.meta {
            let meta = muster_wire::encode(meta).ok().filter(|meta| meta.len() <= META_BYTES_MAX)?;
            out.extend_from_slice(&meta);
        }
        Some(out)
    }

    /// `None` if it cannot be read, or if its metadata could not be sent on.
    pub(super) fn decoded(part: &[u8]) -> Option<Self> {
        let mut from = Reader(part);
        let flags = from.byte()?;
        let mut record = Self {
            id: from.id()?,
            generation: Generation(from.varint()?),
            incarnation: from.varint32()?,
            state: State::from_code(flags & STATE_BITS),
            meta_version: from.varint32()?,
            by: None,
            reason: None,
            meta: None,
        };
        record.read_rest(flags, from)?;
        Some(record)
    }

    fn read_rest(&mut self, flags: u8, mut from: Reader<'_>) -> Option<()> {
        if flags & HAS_BY != 0 {
            self.by = Some(from.id()?);
        }
        if flags & HAS_REASON != 0 {
            self.reason = Some(LeaveReason::from_code(from.byte()?));
        }
        if flags & HAS_META != 0 {
            self.meta = Some(read_meta(from.0)?);
        }
        Some(())
    }
}

fn read_meta(bytes: &[u8]) -> Option<Arc<Meta>> {
    let meta = (bytes.len() <= META_BYTES_MAX).then(|| muster_wire::decode::<Meta>(bytes))?;
    meta.ok().filter(Meta::fits).map(Arc::new)
}

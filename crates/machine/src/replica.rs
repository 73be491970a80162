//! One replica of a group: the machine, replicated time, and the answers of the last client requests.

use imbl::{OrdMap, Vector};
use muster_wire::{CodecError, GroupId, JobId, RequestId};
use serde::{Deserialize, Serialize};

use crate::entry::{Entry, Envelope, FEATURE};
use crate::{Machine, Outcome, Reason, Stamp};

/// Client entries whose outcome is kept.
pub const ANSWERS_MAX: usize = 256;
/// The largest outcome that is kept for one client entry.
pub const ANSWER_BYTES_MAX: usize = 1024;

/// One outcome per command of an entry, in order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EntryReply {
    /// In the order of the commands.
    pub outcomes: Vec<Outcome>,
    /// The entry was undone: this command was rejected.
    pub undone_by: Option<u32>,
}

impl EntryReply {
    /// Every command of the entry refused for one reason.
    fn refused(commands: usize, reason: Reason) -> Self {
        Self { outcomes: vec![Outcome::Rejected(reason); commands.max(1)], undone_by: Some(0) }
    }

    /// Why the entry was undone, if it was.
    pub fn rejection(&self) -> Option<&Reason> {
        self.undone_by.and_then(|at| self.outcomes.get(at as usize)).and_then(Outcome::rejection)
    }

    /// The typed reply of the command at `at`.
    pub fn reply<T: serde::de::DeserializeOwned>(&self, at: usize) -> Result<T, Reason> {
        self.outcomes.get(at).ok_or_else(|| Reason::malformed("no such command in the entry"))?.reply()
    }
}

/// A replica that must not go on. The group is stopped here, loudly; others are not touched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplicaError {
    /// The log holds an entry of a newer feature version: upgrade this node.
    #[error("entry {index} needs feature {needed}, this build has {FEATURE}: upgrade this node")]
    FeatureAhead {
        /// Where.
        index: u64,
        /// What it needs.
        needed: u16,
    },
    /// A snapshot that does not restore.
    #[error("snapshot: {0}")]
    Snapshot(CodecError),
}

/// One replica's state. `Clone` is O(1): clones are views.
#[derive(Clone, Debug, Default)]
pub struct Replica<M> {
    machine: M,
    at_ms: u64,
    answers: OrdMap<RequestId, EntryReply>,
    order: Vector<RequestId>,
    /// Issue time of the newest answer that was dropped: a request issued up to then may be a repeat.
    dropped_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct Frozen {
    version: u16,
    #[serde(with = "serde_bytes")]
    machine: Vec<u8>,
    at_ms: u64,
    answers: Vec<(RequestId, EntryReply)>,
    dropped_ms: u64,
}

const SNAPSHOT_VERSION: u16 = 1;

impl<M: Machine> Replica<M> {
    /// An empty replica of a group.
    pub fn born(group: GroupId, job: JobId) -> Self {
        let mut machine = M::default();
        machine.born(group, job);
        Self { machine, at_ms: 0, answers: OrdMap::new(), order: Vector::new(), dropped_ms: 0 }
    }

    /// The state.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// Replicated time, ms since 1970.
    pub const fn at_ms(&self) -> u64 {
        self.at_ms
    }

    /// Applies one entry; the same bytes give the same state and the same reply on every replica.
    pub fn apply(&mut self, index: u64, bytes: &[u8]) -> Result<EntryReply, ReplicaError> {
        let entry = match Entry::decode(bytes) {
            Ok(entry) => entry,
            Err(error) => return Ok(refuse_undecodable::<M>(&error)),
        };
        if entry.feature > FEATURE {
            return Err(ReplicaError::FeatureAhead { index, needed: entry.feature });
        }
        if let Some(known) = self.known_answer(&entry) {
            return Ok(known);
        }
        let reply = self.apply_new(index, &entry);
        self.keep_answer(entry.request, &reply);
        Ok(reply)
    }

    fn known_answer(&self, entry: &Entry) -> Option<EntryReply> {
        if entry.request == RequestId::INTERNAL {
            return None;
        }
        let kept = self.answers.get(&entry.request).cloned();
        kept.or_else(|| self.too_old(entry))
    }

    fn too_old(&self, entry: &Entry) -> Option<EntryReply> {
        let old = entry.request.issued_at_ms() <= self.dropped_ms;
        old.then(|| EntryReply::refused(entry.commands.len(), Reason::TooOld))
    }

    fn apply_new(&mut self, index: u64, entry: &Entry) -> EntryReply {
        self.at_ms = self.at_ms.max(entry.at_ms);
        let stamp = Stamp { index, at_ms: self.at_ms, token: entry.token, feature: entry.feature };
        let before = self.machine.clone();
        let mut outcomes = Vec::with_capacity(entry.commands.len());
        for command in &entry.commands {
            outcomes.push(apply_one(&mut self.machine, stamp, command));
            if outcomes.last().is_some_and(undoes) {
                self.machine = before;
                return undone(outcomes, entry.commands.len());
            }
        }
        EntryReply { outcomes, undone_by: None }
    }

    fn keep_answer(&mut self, request: RequestId, reply: &EntryReply) {
        if request == RequestId::INTERNAL {
            return;
        }
        self.answers.insert(request, shortened(reply));
        self.order.push_back(request);
        while self.order.len() > ANSWERS_MAX {
            self.drop_oldest_answer();
        }
    }

    fn drop_oldest_answer(&mut self) {
        let Some(oldest) = self.order.pop_front() else { return };
        self.answers.remove(&oldest);
        self.dropped_ms = self.dropped_ms.max(oldest.issued_at_ms());
    }

    /// The replica as bytes, for a snapshot.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let answers = self
            .order
            .iter()
            .filter_map(|id| self.answers.get(id).map(|reply| (*id, reply.clone())))
            .collect();
        let machine = self.machine.encode()?;
        let (at_ms, dropped_ms) = (self.at_ms, self.dropped_ms);
        muster_wire::encode(&Frozen { version: SNAPSHOT_VERSION, machine, at_ms, answers, dropped_ms })
    }

    /// The replica of a snapshot's bytes.
    pub fn restore(bytes: &[u8]) -> Result<Self, ReplicaError> {
        let frozen: Frozen = muster_wire::decode(bytes).map_err(ReplicaError::Snapshot)?;
        if frozen.version != SNAPSHOT_VERSION {
            let text = format!("snapshot version {} is not known", frozen.version);
            return Err(ReplicaError::Snapshot(CodecError::Malformed(text)));
        }
        let machine = M::restore(&frozen.machine).map_err(ReplicaError::Snapshot)?;
        let order = frozen.answers.iter().map(|(id, _)| *id).collect();
        let answers = frozen.answers.into_iter().collect();
        Ok(Self { machine, at_ms: frozen.at_ms, answers, order, dropped_ms: frozen.dropped_ms })
    }
}

fn apply_one<M: Machine>(machine: &mut M, stamp: Stamp, command: &Envelope) -> Outcome {
    let Some(row) = M::table().row(command.tag) else {
        count::<M>("unknown", "malformed");
        return Outcome::Rejected(Reason::malformed(format!("unknown command {}", command.tag)));
    };
    let refused = row.guards.iter().find_map(|guard| guard(machine, &stamp).err());
    let outcome = match refused {
        Some(reason) => Outcome::Rejected(reason),
        None => {
            (row.apply)(machine, stamp, &command.body).unwrap_or_else(|error| Reason::malformed(error).into())
        }
    };
    count::<M>(row.name, outcome.word());
    outcome
}

fn count<M: Machine>(command: &'static str, outcome: &'static str) {
    metrics::counter!("muster_commands_applied_total", "tier" => M::TIER, "command" => command, "outcome" => outcome)
        .increment(1);
}

fn refuse_undecodable<M: Machine>(error: &CodecError) -> EntryReply {
    count::<M>("undecodable", "malformed");
    EntryReply::refused(1, Reason::malformed(error))
}

fn undoes(outcome: &Outcome) -> bool {
    outcome.rejection().is_some_and(|reason| !reason.skips_only_itself())
}

/// The commands before and after the refused one are marked as undone with it.
fn undone(mut outcomes: Vec<Outcome>, commands: usize) -> EntryReply {
    let at = outcomes.len() - 1;
    for earlier in &mut outcomes[..at] {
        *earlier = Outcome::Rejected(Reason::Undone);
    }
    outcomes.resize(commands, Outcome::Rejected(Reason::Undone));
    EntryReply { outcomes, undone_by: Some(at as u32) }
}

/// Keeps at most [`ANSWER_BYTES_MAX`]: longer replies are dropped from the kept outcome, not its kind.
fn shortened(reply: &EntryReply) -> EntryReply {
    let bytes: usize = reply.outcomes.iter().map(reply_bytes).sum();
    match bytes <= ANSWER_BYTES_MAX {
        true => reply.clone(),
        false => EntryReply {
            outcomes: reply.outcomes.iter().map(without_reply).collect(),
            undone_by: reply.undone_by,
        },
    }
}

fn reply_bytes(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Applied(bytes) | Outcome::Noop(bytes) => bytes.len(),
        Outcome::Rejected(_) => 0,
    }
}

fn without_reply(outcome: &Outcome) -> Outcome {
    match outcome {
        Outcome::Applied(_) | Outcome::Noop(_) => Outcome::Noop(Vec::new()),
        Outcome::Rejected(reason) => Outcome::Rejected(reason.clone()),
    }
}

#[cfg(test)]
#[path = "replica_test.rs"]
mod replica_test;

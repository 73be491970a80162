//! What the detector says about nodes: members, their metadata and the events between two views.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use muster_wire::{CodecError, Generation, MemberNumber, NodeId, Role};

/// The largest encoded [`Meta`] in bytes: two of them fit into one packet.
pub const META_BYTES_MAX: usize = 512;

/// What a node tells the others about itself. Only its owner changes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// What the process is.
    pub role: Role,
    /// The datacenter's name.
    #[serde(default)]
    pub dc: String,
    /// The node's configured name.
    #[serde(default)]
    pub name: String,
    /// Its number in its cluster; 0 for workers and for nodes that have none yet.
    #[serde(default)]
    pub member: MemberNumber,
    /// `host:port` of its rpc listener.
    #[serde(default)]
    pub rpc: String,
    /// `host:port` of its HTTP listener.
    #[serde(default)]
    pub http: String,
    /// `host:port` where others send its membership packets.
    #[serde(default)]
    pub swim: String,
    /// The version of the running program.
    #[serde(default)]
    pub version: String,
    /// Cores it offers; 0 for nodes that run no shards.
    #[serde(default)]
    pub cores: u32,
    /// Free labels that placement may ask for.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// It finishes what it has and wants nothing new.
    #[serde(default)]
    pub draining: bool,
}

impl Default for Meta {
    /// A manager without addresses.
    fn default() -> Self {
        Self {
            role: Role::Manager,
            dc: String::new(),
            name: String::new(),
            member: MemberNumber::default(),
            rpc: String::new(),
            http: String::new(),
            swim: String::new(),
            version: String::new(),
            cores: 0,
            labels: BTreeMap::new(),
            draining: false,
        }
    }
}

impl Meta {
    /// Its length on the wire in bytes; compare with [`META_BYTES_MAX`].
    pub fn encoded_len(&self) -> Result<usize, CodecError> {
        Ok(muster_wire::encode(self)?.len())
    }

    /// May it be sent?
    pub fn fits(&self) -> bool {
        self.encoded_len().is_ok_and(|bytes| bytes <= META_BYTES_MAX)
    }
}

/// What is believed about one process. Of two beliefs about one incarnation the later in this order wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It answers.
    Alive,
    /// It did not answer; it has until the suspicion's end to refute.
    Suspect,
    /// It did not refute: gone without a word.
    Dead,
    /// It said goodbye.
    Left,
}

impl State {
    /// Every state, in the order of the metric `muster_swim_members{state}`.
    pub const ALL: [Self; 4] = [Self::Alive, Self::Suspect, Self::Dead, Self::Left];

    /// Its number on the wire.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Alive => 0,
            Self::Suspect => 1,
            Self::Dead => 2,
            Self::Left => 3,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Self {
        match code & 3 {
            0 => Self::Alive,
            1 => Self::Suspect,
            2 => Self::Dead,
            _ => Self::Left,
        }
    }

    /// Alive or suspect: still part of the cluster.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Alive | Self::Suspect)
    }

    /// The word used in logs, metrics and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Dead => "dead",
            Self::Left => "left",
        }
    }
}

/// Why a node said goodbye.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// It was drained and does not come back.
    Drain,
    /// It was told to stop.
    Shutdown,
    /// It restarts with another version and comes back soon.
    Upgrade,
}

impl LeaveReason {
    /// The word used in logs and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Shutdown => "shutdown",
            Self::Upgrade => "upgrade",
        }
    }

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Drain => 0,
            Self::Shutdown => 1,
            Self::Upgrade => 2,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Drain,
            2 => Self::Upgrade,
            _ => Self::Shutdown,
        }
    }
}

/// One process as this node sees it. Times are durations since the detector's start; `Swim::age` says how long ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The node's own id.
    pub id: NodeId,
    /// The process start; a higher one is another process.
    pub generation: Generation,
    /// How often it refuted a suspicion; raised by its owner only.
    pub incarnation: u32,
    /// What is believed about it.
    pub state: State,
    /// What it says about itself.
    pub meta: Arc<Meta>,
    /// Counts the changes of `meta`.
    pub meta_version: u32,
    /// When `state` was last changed.
    pub since: Duration,
    /// The smoothed round trip of its direct answers; `None` before the first, and for the node itself.
    pub rtt: Option<Duration>,
}

/// A change of the view. Per process the order is `Join`, any number of `Suspect` and `Alive`, then `Leave` or
/// `Dead`; after that a `Join` of a higher generation, or of the same one if it was declared dead wrongly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A process is in the view: seen first, with a new generation, or back after a wrong death.
    Join {
        /// The process.
        member: Member,
        /// The generation that was in the view before it.
        previous: Option<Generation>,
    },
    /// It did not answer.
    Suspect {
        /// The node.
        id: NodeId,
        /// The process.
        generation: Generation,
        /// What it can refute with a higher one.
        incarnation: u32,
        /// Who found it silent.
        by: NodeId,
        /// When this node would declare it dead, as far as is known; since the detector's start.
        deadline: Duration,
    },
    /// It refuted the suspicion.
    Alive {
        /// The node.
        id: NodeId,
        /// The process.
        generation: Generation,
        /// The one that it refuted with.
        incarnation: u32,
        /// How long it was suspected here.
        suspected_for: Duration,
    },
    /// It said goodbye.
    Leave {
        /// The node.
        id: NodeId,
        /// The process.
        generation: Generation,
        /// Why.
        reason: LeaveReason,
    },
    /// It did not refute in time, or a higher generation of it has appeared.
    Dead {
        /// The node.
        id: NodeId,
        /// The process.
        generation: Generation,
        /// The one that it died in.
        incarnation: u32,
        /// Members that found it silent, as far as this node knows.
        confirmations: u8,
        /// From its suspicion here to its death; zero if this node did not suspect it.
        detected_in: Duration,
    },
    /// Its metadata changed.
    Update {
        /// The process with the new metadata.
        member: Member,
        /// The version before.
        previous: u32,
    },
    /// This node's own fitness changed: 0 is well, each step slows its probes and its judgement.
    SelfHealth {
        /// The local health multiplier, 0 to 7.
        lhm: u8,
    },
    /// More than a third of the members are suspected at once (`over` is false), or no longer (`over` is true).
    /// Meanwhile a death is declared only with link evidence, or after three times the longest suspicion. Replace
    /// nobody while this lasts: the fault may be this node's own.
    MassSuspicion {
        /// Members suspected, or declared dead within the longest suspicion time.
        silent: u32,
        /// Members that were there.
        members: u32,
        /// The suspicions have gone down again.
        over: bool,
    },
    /// The others have declared this process dead (it refutes and goes on), or a higher generation of this node
    /// exists (it cannot refute that).
    SelfDead {
        /// Who said so.
        by: NodeId,
    },
    /// The subscriber was too slow and `missed` events were left out: take a snapshot.
    Lagged {
        /// How many events.
        missed: u64,
    },
}

impl Event {
    /// The label of `muster_swim_events_total{event}`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Join { .. } => "join",
            Self::Suspect { .. } => "suspect",
            Self::Alive { .. } => "alive",
            Self::Leave { .. } => "leave",
            Self::Dead { .. } => "dead",
            Self::Update { .. } => "update",
            Self::SelfHealth { .. } => "self_health",
            Self::MassSuspicion { .. } => "mass_suspicion",
            Self::SelfDead { .. } => "self_dead",
            Self::Lagged { .. } => "lagged",
        }
    }

    /// The node that it is about; `None` for what concerns this node or all.
    pub fn subject(&self) -> Option<NodeId> {
        match self {
            Self::Join { member, .. } | Self::Update { member, .. } => Some(member.id),
            Self::Suspect { id, .. }
            | Self::Alive { id, .. }
            | Self::Leave { id, .. }
            | Self::Dead { id, .. } => Some(*id),
            Self::SelfHealth { .. }
            | Self::MassSuspicion { .. }
            | Self::SelfDead { .. }
            | Self::Lagged { .. } => None,
        }
    }
}

/// What other traffic has shown about a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Evidence {
    /// A call was answered: as good as an answered probe.
    RpcOk,
    /// A call failed or a link was reset: the node is probed at once, but not suspected for this alone.
    RpcFail,
    /// A dial was refused: nobody listens there. The node is probed at once, and if that fails too the suspicion
    /// is short.
    Refused,
}

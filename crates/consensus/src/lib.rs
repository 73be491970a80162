//! Replication: the directory group, one Raft group per job, and the hosts that run them. The only crate that names
//! openraft. It does not know what a job is: a [`muster_machine::Machine`] does.
//!
//! ```text
//!   Coordinator<M> ── propose, read, register, watch, led          (what the tiers use)
//!     ├─ host/ ───── table of groups, birth, heartbeats, elections, retirement, sweeps
//!     ├─ raft/ ───── one group: log store over the WAL, state machine, snapshots, network
//!     ├─ directory/  which jobs and members exist: the one group that every node holds
//!     ├─ founding/   how a cluster begins and how a node joins it
//!     └─ identity/   who this node is, across restarts
//! ```

pub mod config;
pub mod coordinator;
pub mod directory;
pub mod error;
pub mod founding;
mod host;
pub mod identity;
mod raft;
mod start;
pub mod status;
pub mod storage;

pub use config::{ConsensusConfig, InitialMember, Profile};
pub use coordinator::{Coordinator, Parts};
pub use directory::{Directory, JobRow, MemberRow, RegisterJob, Registered};
pub use error::{ProposeError, StartError};
pub use founding::Founding;
pub use host::directory::DirectoryHandle;
pub use identity::{Identity, IdentityError};
pub use status::{Consistency, GroupCounts, GroupStatus, ReplicaStatus, View};
pub use storage::{RealStorage, Storage};

#[cfg(test)]
mod cluster_test;
#[cfg(test)]
mod damage_test;
#[cfg(test)]
mod ladder_test;
#[cfg(test)]
mod testing;

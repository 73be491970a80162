//! What operators ask of nodes.

use serde::{Deserialize, Serialize};

use crate::ids::JobId;

/// Body of `POST /v1/groups/{job}/transfer`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferRequest {
    /// Name, number or id of the member that is to lead.
    pub to: String,
}

/// The answer of `POST /v1/groups/{job}/transfer` and `/snapshot`, 202.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GroupAsked {
    /// The job.
    pub job: JobId,
    /// Name of the node that does it.
    pub node: String,
}

/// The answer of `POST /v1/node/drain` and `/undrain`, 202.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DrainView {
    /// Name of the node.
    pub node: String,
    /// `no`, `running` or `done`.
    pub draining: String,
    /// Groups that still have a replica on it.
    pub groups: u64,
}

/// A named set of the failure detector's figures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwimProfile {
    /// Managers and gates on one network.
    Lan,
    /// Workers.
    Default,
    /// Between datacenters.
    Wan,
    /// Tests on one machine.
    Test,
}

/// Body and answer of `PUT /v1/node/swim-profile`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwimProfileView {
    /// What the failure detector of this node uses until the process ends.
    pub profile: SwimProfile,
}

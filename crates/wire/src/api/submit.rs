//! Submissions and lists of jobs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Cores, DatacenterHealth};
use crate::ids::JobId;
use crate::job::JobStatus;

/// A list's answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Page<T> {
    /// At most `limit` of them.
    pub items: Vec<T>,
    /// Ask with `cursor` set to this for the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The answer of a submission: 201, or 200 when the key was known.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Submitted {
    /// The job.
    pub id: JobId,
    /// Its status now.
    pub status: JobStatus,
    /// Its version now; 0 when it is purged.
    pub version: u64,
    /// Path of the job.
    pub url: String,
}

/// The answer of a submission with `?dry_run=true`: everything was checked, nothing was written.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DryRun {
    /// Always true.
    pub dry_run: bool,
    /// The job's name.
    pub name: String,
    /// How many workflows it has.
    pub workflows: u32,
    /// How many shards, over all workflows.
    pub shards: u32,
    /// Where it would run now: the primaries.
    pub datacenters: Vec<String>,
    /// Every datacenter that was thought of, and why it was or was not chosen.
    #[serde(default)]
    pub placements: Vec<Placement>,
}

/// One datacenter's part in a plan.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Placement {
    /// Its name.
    pub datacenter: String,
    /// Its part.
    pub role: PlacementRole,
    /// How it is now.
    pub health: DatacenterHealth,
    /// Its cores.
    pub cores: Cores,
    /// Shards that wait there.
    pub queued: u32,
    /// How far away it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f64>,
    /// One sentence.
    pub reason: String,
    /// What could never start there as it is now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What a datacenter is for a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlacementRole {
    /// Runs the job.
    Primary,
    /// Takes the place of a primary that refuses or is lost.
    Standby,
    /// Cannot run it now.
    Unusable,
}

impl PlacementRole {
    /// The word in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::Unusable => "unusable",
        }
    }
}

/// `GET /v1/jobs`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JobList {
    /// Newest first.
    pub items: Vec<JobItem>,
    /// Ask with `cursor` set to this for older ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// The list is as of then, or up to 2 s older.
    pub as_of: String,
}

/// One job of a list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JobItem {
    /// The job.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: JobStatus,
    /// Its version.
    pub version: u64,
    /// Acceptance.
    pub created_at: String,
    /// End.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// For people and filters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Body of `POST /v1/jobs/{id}/cancel`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    /// Why, for people.
    #[serde(default)]
    pub reason: String,
    /// These and all that depend on them; absent: the whole job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflows: Option<Vec<String>>,
    /// SIGTERM to SIGKILL, such as `"5s"`; absent: each workflow's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<String>,
}

/// Its answer, 202.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cancelled {
    /// The job's status now.
    pub status: JobStatus,
}

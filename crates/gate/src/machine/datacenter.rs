//! A job's part in one datacenter.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use muster_machine::Reason;
use muster_wire::job::{DcResult, JobStatus, WorkflowResult, WorkflowSummary};
use muster_wire::{NodeRef, Token, WorkflowIx};
use serde::{Deserialize, Serialize};

use super::state::GateJob;

/// What a datacenter is for the job.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Standing {
    /// A target, or one that stands by.
    #[default]
    Target,
    /// Said explicitly that it will not run the job.
    Refused {
        /// Why.
        why: String,
    },
    /// Given up as lost: results under this token or below are fenced, and a cancel is owed to it.
    Lost {
        /// Its token then.
        dc_token: Token,
    },
}

/// One datacenter's part of the job.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Dc {
    /// Its token; 0: it never had a lease.
    pub token: Token,
    /// What it is for the job.
    pub standing: Standing,
    /// The present lease.
    pub lease: Option<DcLease>,
    /// After so long without a word it may be given up, ms.
    pub lost_after_ms: u64,
    /// Last word from it, replicated ms since 1970.
    pub heard_at_ms: u64,
    /// Who leads the job there.
    pub manager: Option<DcManager>,
    /// The datacenter's token under which its manager has taken the job.
    pub accepted: Token,
    /// How far it is.
    pub progress: Option<DcProgress>,
    /// Its accepted result and the token it came under.
    pub result: Option<(Token, Arc<DcResult>)>,
    /// Accepted results of workflows and the tokens they came under.
    pub workflow_results: OrdMap<WorkflowIx, (Token, Arc<WorkflowResult>)>,
    /// It confirmed that nothing of the job runs there any more.
    pub stopped: bool,
    /// Positions of the workflow cancels that it confirmed.
    pub confirmed: OrdSet<u32>,
}

/// The right to run the job in a datacenter, bound to a gate token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DcLease {
    /// The gate that gave it.
    pub holder: NodeRef,
    /// Under this token; void under a higher one.
    pub gate_token: Token,
    /// Its end, ms since 1970.
    pub expires_at_ms: u64,
}

/// Who leads the job in a datacenter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DcManager {
    /// The manager.
    pub node: NodeRef,
    /// Its token.
    pub token: Token,
}

/// How far a datacenter is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DcProgress {
    /// The lease's token under which it was said.
    pub dc_token: Token,
    /// The job's status there.
    pub status: JobStatus,
    /// Each workflow that was reported.
    pub workflows: OrdMap<WorkflowIx, Arc<WorkflowSummary>>,
}

impl Dc {
    /// Did it ever have a lease?
    pub fn was_leased(&self) -> bool {
        self.token > Token(0)
    }

    /// May something of the job still run there?
    pub fn may_run(&self) -> bool {
        let ended = self.stopped || self.result.is_some();
        self.was_leased() && !ended
    }

    /// Has its manager taken the job under the present token?
    pub fn has_accepted(&self) -> bool {
        self.was_leased() && self.accepted == self.token
    }

    /// Was it given up as lost?
    pub fn is_lost(&self) -> bool {
        matches!(self.standing, Standing::Lost { .. })
    }

    /// The lease, if it is of this gate token and not over at `at_ms`.
    pub fn live_lease(&self, gate_token: Token, at_ms: u64) -> Option<&DcLease> {
        self.lease.as_ref().filter(|lease| lease.gate_token == gate_token && lease.expires_at_ms > at_ms)
    }

    /// The job's status there, as far as known.
    pub fn status(&self) -> JobStatus {
        let ended = self.result.as_ref().map(|(_, result)| result.status);
        let known = ended.or_else(|| self.progress.as_ref().map(|progress| progress.status));
        known.unwrap_or(JobStatus::Submitted)
    }

    /// Shards accepted, failed for good, and all, over the workflows that were reported.
    pub fn shard_counts(&self) -> (u32, u32, u32) {
        let rows = self.progress.iter().flat_map(|progress| progress.workflows.values());
        rows.fold((0, 0, 0), |(ok, bad, all), row| {
            (ok + row.shards.succeeded, bad + row.shards.failed + row.shards.lost, all + row.shards.total)
        })
    }

    /// 0..1 over all shards reported.
    pub fn fraction(&self) -> f64 {
        let rows = || self.progress.iter().flat_map(|progress| progress.workflows.values());
        let all: f64 = rows().map(|row| f64::from(row.shards.total)).sum();
        let done: f64 = rows().map(|row| row.progress * f64::from(row.shards.total)).sum();
        match all > 0.0 {
            true => (done / all).clamp(0.0, 1.0),
            false => 0.0,
        }
    }

    /// Refuses whoever reports under a lease that is not the present one.
    pub(super) fn check_token(&self, dc_token: Token) -> Result<(), Reason> {
        match (self.is_lost(), dc_token.cmp(&self.token)) {
            (false, std::cmp::Ordering::Equal) => Ok(()),
            (_, std::cmp::Ordering::Greater) => Err(Reason::TokenOutOfRange),
            _ => Err(Reason::Fenced { by: self.token }),
        }
    }
}

impl GateJob {
    /// A datacenter that has a part in the job, to be changed.
    pub(super) fn known_dc(&mut self, name: &str) -> Result<&mut Dc, Reason> {
        self.dcs
            .get_mut(name)
            .ok_or_else(|| Reason::not_allowed(format!("datacenter {name} is not a target")))
    }

    /// Datacenters where a stop of the whole job is owed: it is being cancelled, over, or the datacenter was given up.
    pub fn owed_stops(&self) -> Vec<String> {
        let over = self.is_terminal() || self.is_cancelling();
        let owed = self.dcs.iter().filter(|(_, dc)| dc.may_run() && (over || dc.is_lost()));
        owed.map(|(name, _)| name.clone()).collect()
    }

    /// Workflow cancels that datacenters have not confirmed: (position, datacenter).
    pub fn owed_workflow_cancels(&self) -> Vec<(u32, String)> {
        let count = self.record.as_ref().map_or(0, |record| record.workflow_cancels.len() as u32);
        let running = self.dcs.iter().filter(|(_, dc)| dc.may_run());
        let owed = running.flat_map(|(name, dc)| {
            (0..count).filter(|ix| !dc.confirmed.contains(ix)).map(|ix| (ix, name.clone()))
        });
        owed.collect()
    }
}

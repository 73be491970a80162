//! Gives up a datacenter that was not heard of for its lost timeout, where the job asks for that, and puts one that
//! stands by in its place. Silence is not refusal: the lost one is owed a cancel, and its late results are fenced.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use muster_machine::Entry;
use muster_node::driver::{Next, Reconciler};
use muster_wire::CodecError;
use muster_wire::job::JobStatus;
use muster_wire::spec::OnDcLost;

use super::{Job, acts, commit, entry, settled, unencodable};
use crate::gate::Gate;
use crate::machine::commands::{AddTargetDc, Why};
use crate::machine::{Dc, GateJob, Standing};

/// A job that may have to fail over is looked at this often.
const LOOK: Duration = Duration::from_secs(1);
/// While several datacenters are silent at once it is rather this gate's own network: patience for so long more.
const OWN_NETWORK: Duration = Duration::from_secs(60);

pub(super) struct LostDuty {
    gate: Gate,
}

impl LostDuty {
    pub(super) const fn new(gate: Gate) -> Self {
        Self { gate }
    }
}

impl Reconciler<GateJob> for LostDuty {
    fn name(&self) -> &'static str {
        "lost"
    }

    fn reconcile<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Next> {
        async move { settled(self.look(job).await) }.boxed()
    }
}

impl LostDuty {
    async fn look(&self, job: &Job) -> Result<Next, Next> {
        if !fails_over(job) {
            return Ok(Next::Idle);
        }
        let Some((lost, next)) = self.lost(job).and_then(|lost| Some((lost, self.spare(job)?))) else {
            return Ok(Next::After(LOOK));
        };
        tracing::warn!(job = %job.job, lost, next, "a datacenter is given up as lost; another takes its place");
        let entry = swap(job, lost, next).map_err(|error| unencodable(&error))?;
        commit(job, "lost", entry).await?;
        Ok(Next::Again)
    }

    /// A target that neither the job's record nor this gate has heard of for its lost timeout.
    fn lost<'a>(&self, job: &'a Job) -> Option<&'a str> {
        let mut targets = job.view.state.targets.primaries.iter();
        let is_lost =
            |name: &&String| job.view.state.dc(name).is_some_and(|dc| self.is_lost(job, (name, dc)));
        targets.find(is_lost).map(String::as_str)
    }

    fn is_lost(&self, job: &Job, (name, dc): (&str, &Dc)) -> bool {
        let is_overdue = job.now_ms() >= dc.heard_at_ms.saturating_add(dc.lost_after_ms);
        is_open(dc) && is_overdue && self.is_silent(name, Duration::from_millis(dc.lost_after_ms))
    }

    /// For so long, and longer while the silence is rather this gate's own.
    fn is_silent(&self, name: &str, timeout: Duration) -> bool {
        let datacenters = &self.gate.datacenters;
        let patience = OWN_NETWORK * u32::from(datacenters.is_own_network());
        datacenters.is_silent(name) && datacenters.silent_for(name) >= timeout + patience
    }

    /// The first that stands by and answers.
    fn spare<'a>(&self, job: &'a Job) -> Option<&'a str> {
        let state = &job.view.state;
        let usable = |name: &&String| {
            let is_new = state.dc(name).is_none_or(|dc| dc.standing == Standing::Target);
            is_new && !self.gate.datacenters.is_silent(name)
        };
        state.targets.fallbacks.iter().find(usable).map(String::as_str)
    }
}

/// Does this gate act for an open job that asks for failover?
fn fails_over(job: &Job) -> bool {
    let asks = job.view.state.spec().is_some_and(|spec| spec.on_dc_lost == OnDcLost::Failover);
    let status = job.view.state.status();
    let is_open = status.is_some_and(|status| !status.is_terminal() && status != JobStatus::Cancelling);
    asks && is_open && acts(job)
}

/// Was it given the job, and has not ended it?
fn is_open(dc: &Dc) -> bool {
    dc.standing == Standing::Target && dc.may_run()
}

fn swap(job: &Job, lost: &str, next: &str) -> Result<Entry, CodecError> {
    entry(job).with(&AddTargetDc { dc: next.to_owned(), replaces: Some(lost.to_owned()), why: Why::Lost })
}

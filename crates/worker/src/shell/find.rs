//! Who leads a job whose known manager does not answer: every manager of the datacenter is asked.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use muster_link::CallError;
use muster_swim::{Member, Swim};
use muster_wire::rpc::RpcError;
use muster_wire::rpc::worker::{FindJobLeader, JobLeader};
use muster_wire::{JobId, NodeRef, Role};

use super::Shell;

const ASK_WITHIN: Duration = Duration::from_secs(1);

/// What the managers say together.
#[derive(Default)]
struct Said {
    leader: Option<JobLeader>,
    hint: Option<NodeRef>,
    gone: bool,
    unknown: usize,
    /// Answers of any other kind, and none at all.
    other: usize,
}

impl Said {
    fn add(&mut self, answer: Result<JobLeader, CallError>) {
        match answer {
            Ok(leader) => {
                self.leader = self.leader.take().into_iter().chain([leader]).max_by_key(|l| l.token)
            }
            Err(CallError::Rpc(RpcError::NotLeader { leader: Some(hint) })) => self.hint = Some(*hint),
            Err(CallError::Rpc(RpcError::Gone { .. })) => self.gone = true,
            Err(CallError::Rpc(RpcError::UnknownJob)) => self.unknown += 1,
            Err(_) => self.other += 1,
        }
    }

    /// At least one manager answered, and none knows the job.
    const fn nobody_knows(&self) -> bool {
        self.unknown > 0 && self.other == 0 && self.hint.is_none() && self.leader.is_none()
    }
}

impl Shell {
    /// Asks every manager; the core learns the leader with the highest token, or that the job is over.
    pub(super) async fn find_leader(self: &Arc<Self>, job: JobId) {
        let managers = managers(&self.swim, &self.datacenter);
        let asked = managers.iter().map(|addr| self.ask(addr, job));
        let mut said = Said::default();
        join_all(asked).await.into_iter().for_each(|answer| said.add(answer));
        let is_over = said.gone || self.is_stale(job, &said);
        self.decide(|core, _, out| match (is_over, said.leader, said.hint) {
            (true, _, _) => core.gone(job, out),
            (false, Some(leader), _) => core.led_by(job, leader.manager, Some(leader.token)),
            (false, None, Some(hint)) => core.led_by(job, hint, None),
            (false, None, None) => {}
        });
    }

    async fn ask(&self, addr: &str, job: JobId) -> Result<JobLeader, CallError> {
        self.links.call(addr, &FindJobLeader { job }, ASK_WITHIN).await
    }

    /// A job that no manager has known for long, of which only results are left here.
    fn is_stale(&self, job: JobId, said: &Said) -> bool {
        let engine = self.engine();
        let is_open = engine.running.keys().any(|at| at.job == job);
        let owed = engine.owed.iter().filter(|(at, _)| at.job == job);
        let oldest = owed.map(|(_, owed)| owed.report.finished_at_ms).min();
        let age_ms = oldest.map_or(0, |at_ms| self.clock.unix_ms().saturating_sub(at_ms));
        said.nobody_knows() && !is_open && u128::from(age_ms) > self.config.unknown_keep.as_millis()
    }
}

/// The rpc addresses of the datacenter's managers that are not known to be gone.
fn managers(swim: &Swim, datacenter: &str) -> Vec<String> {
    let is_manager = |member: &&Member| member.meta.role == Role::Manager && member.meta.dc == datacenter;
    let members = swim.snapshot();
    let live = members.iter().filter(is_manager).filter(|member| member.state.is_live());
    live.map(|member| member.meta.rpc.clone()).collect()
}

/// Is any manager of the datacenter there?
pub(crate) fn sees_manager(swim: &Swim, datacenter: &str) -> bool {
    !managers(swim, datacenter).is_empty()
}

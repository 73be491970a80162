//! Replacement of replicas. Raft's membership is the truth, the directory's set is the intent.
//!
//! ```text
//!   plan ──── directory leader: a member is draining, or dead for too long ──▶ plan_replace
//!   carry ─── the group's Raft leader: learner, fill, joint change, uniform ──▶ confirm_replace
//! ```

mod carry;
pub(super) mod plan;
#[cfg(test)]
mod plan_test;

use std::sync::Arc;
use std::time::Duration;

use muster_machine::{Command, Entry, Machine};
use muster_runtime::TaskKind;
use muster_wire::Token;

use super::Host;
use super::directory::DIRECTORY_JOB;
use crate::error::ProposeError;

const PLAN: TaskKind = TaskKind::vital("replace_plan");
const CARRY: TaskKind = TaskKind::vital("replace_carry");
const PLAN_EVERY: Duration = Duration::from_secs(2);
const CARRY_EVERY: Duration = Duration::from_millis(500);
const WITHIN: Duration = Duration::from_secs(5);

pub(crate) fn start<M: Machine>(host: &Arc<Host<M>>) {
    let (plan, carry) = (host.clone(), host.clone());
    host.scope().spawn_until_stop(PLAN, async move { plan.plan_replacements().await });
    host.scope().spawn_until_stop(CARRY, async move { carry.carry_replacements().await });
}

impl<M: Machine> Host<M> {
    /// Proposes to the directory; a refusal is an error here, since the next round looks again.
    pub(super) async fn tell_directory<C: Command>(&self, command: &C) -> Result<(), ProposeError> {
        let entry = Entry::new(DIRECTORY_JOB, Token(0), self.clock().unix_ms()).with(command);
        let entry = entry.map_err(|error| ProposeError::Fatal(error.to_string()))?;
        let reply = self.directory.propose(entry, WITHIN).await?;
        match reply.rejection() {
            Some(reason) => Err(ProposeError::Fatal(reason.to_string())),
            None => Ok(()),
        }
    }
}

//! What operators ask of a gate or a manager: drain it, move a group's leadership, shorten a log, remove a member.
//!
//! ```text
//!   routes ──▶ Operator ──▶ coordinator: directory commands, hand-over, snapshot
//!                 └── drain ── a level: the directory says draining ──▶ leaderships move away, replicas are replaced
//! ```

mod drain;
mod group;
mod routes;

use std::time::Duration;

use muster_consensus::directory::{MemberRemove, MemberState, MemberStatus};
use muster_consensus::{Coordinator, Directory, MemberRow, ProposeError};
use muster_link::Links;
use muster_machine::{Apply, Entry, Machine, Reason};
use muster_runtime::{Clock, TaskScope};
use muster_swim::{Profile, Swim};
use muster_wire::api::{DrainView, SwimProfile};
use muster_wire::{JobId, Token};

use crate::facts::Additions;
use crate::http::{Answer, Problem};

pub(crate) use group::service;
pub(crate) use routes::routes;

/// Longest wait for one step.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// Carries out what operators ask. Cheap to clone.
pub(crate) struct Operator<M: Machine> {
    pub(crate) coordinator: Coordinator<M>,
    pub(crate) links: Links,
    pub(crate) swim: Swim,
    pub(crate) clock: Clock,
    pub(crate) scope: TaskScope,
    pub(crate) additions: Additions,
}

impl<M: Machine> Clone for Operator<M> {
    fn clone(&self) -> Self {
        let (coordinator, links, clock) = (self.coordinator.clone(), self.links.clone(), self.clock.clone());
        let swim = self.swim.clone();
        Self { coordinator, links, swim, clock, scope: self.scope.clone(), additions: self.additions.clone() }
    }
}

impl<M: Machine> Operator<M> {
    /// This node's row of the directory.
    fn own_row(&self) -> Answer<MemberRow> {
        let directory = self.coordinator.directory();
        directory.member_by_node(self.coordinator.me().id).cloned().ok_or_else(Problem::starting)
    }

    /// Changes this node's standing, or another's; the rest follows from the directory.
    async fn set_status(&self, text: Option<&str>, status: MemberStatus) -> Answer<DrainView> {
        let row = match text {
            Some(text) => member(&*self.coordinator.directory_read(STEP_TIMEOUT).await?, text)?.clone(),
            None => self.own_row()?,
        };
        let (member, generation) = (row.number, row.generation);
        let command = MemberState { member, generation, status: Some(status), ..MemberState::default() };
        self.propose(&command).await?;
        Ok(drain::view(self, &row.name))
    }

    /// The configuration decides again at the next start.
    fn set_swim_profile(&self, profile: SwimProfile) {
        tracing::info!(?profile, "the failure detector changes its figures");
        self.swim.set_profile(match profile {
            SwimProfile::Lan => Profile::Lan,
            SwimProfile::Default => Profile::Default,
            SwimProfile::Wan => Profile::Wan,
            SwimProfile::Test => Profile::Test,
        });
    }

    async fn remove(&self, text: &str) -> Answer<()> {
        let directory = self.coordinator.directory_read(STEP_TIMEOUT).await?;
        let row = member(&directory, text)?;
        check_removable(row, self.coordinator.me().member == row.number)?;
        self.propose(&MemberRemove { member: row.number }).await
    }

    async fn propose<C: Apply<Directory>>(&self, command: &C) -> Answer<()> {
        let entry = Entry::new(JobId(0), Token(0), self.clock.unix_ms()).with(command);
        let entry = entry.map_err(|error| Problem::internal(error.to_string()))?;
        let reply = self.coordinator.directory_propose(entry, STEP_TIMEOUT).await?;
        match reply.rejection() {
            None => Ok(()),
            Some(Reason::Stale) => Err(ProposeError::Unknown.into()),
            Some(reason) => Err(Problem::conflict(reason.word(), reason.to_string())),
        }
    }
}

/// A member by its name, number or id.
fn member<'a>(directory: &'a Directory, text: &str) -> Answer<&'a MemberRow> {
    let is_meant =
        |row: &&MemberRow| row.name == text || row.node.to_string() == text || row.number.to_string() == text;
    let present = directory.members().filter(|row| row.is_present());
    let found = present.filter(is_meant).last();
    found.ok_or_else(|| Problem::not_found("unknown_member", format!("the cluster has no member `{text}`")))
}

/// Only what is dead or drained goes; a living one is drained first.
fn check_removable(row: &MemberRow, is_me: bool) -> Answer<()> {
    let is_over = row.dead_since_ms.is_some() || row.status == MemberStatus::Draining;
    match is_over && !is_me {
        true => Ok(()),
        false => {
            let detail = format!("{} is alive: drain it first, and ask another node", row.name);
            Err(Problem::conflict("member_alive", detail))
        }
    }
}

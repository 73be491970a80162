//! Which replicas are to move, and where to: decided by the directory's leader.

use std::sync::atomic::Ordering;

use muster_machine::Machine;
use muster_wire::MemberNumber;

use super::{Host, PLAN_EVERY};
use crate::directory::{Directory, JobRow, MemberRow, MemberStatus, PlanReplace};

/// Replacements under way at the same time, in the whole cluster.
const PLANS_MAX: usize = 32;

impl<M: Machine> Host<M> {
    pub(super) async fn plan_replacements(&self) {
        loop {
            muster_runtime::rest(PLAN_EVERY).await;
            if self.directory.is_leader() {
                self.plan_some().await;
            }
        }
    }

    async fn plan_some(&self) {
        let directory = self.directory.view().state;
        let leaving = self.leaving(&directory);
        if leaving.is_empty() {
            return;
        }
        let under_way = directory.jobs().filter(|row| row.plan.is_some()).count();
        let plans = directory.jobs().filter_map(|row| plan_for(&directory, row, &leaving));
        for plan in plans.take(PLANS_MAX.saturating_sub(under_way)) {
            if let Err(error) = self.tell_directory(&plan).await {
                tracing::info!(job = %plan.job, %error, "a replica is not yet replaced");
                return;
            }
        }
    }

    fn leaving(&self, directory: &Directory) -> Vec<MemberNumber> {
        let after_ms = self.replace_after_ms.load(Ordering::Relaxed);
        let dead_before_ms = self.clock().unix_ms().saturating_sub(after_ms);
        leaving(directory, self.peers().swim().is_mass_suspicion(), dead_before_ms)
    }
}

/// Members whose replicas are to move: those that are going, and those that died before then. When many are silent, the
/// dead are left alone: more likely it is this side that is cut off.
pub(super) fn leaving(
    directory: &Directory,
    is_mass_suspicion: bool,
    dead_before_ms: u64,
) -> Vec<MemberNumber> {
    let is_doubted = is_mass_suspicion || are_too_many_dead(directory);
    let is_dead =
        |row: &MemberRow| !is_doubted && row.dead_since_ms.is_some_and(|since| since < dead_before_ms);
    directory.members().filter(|row| is_going(row) || is_dead(row)).map(|row| row.number).collect()
}

fn are_too_many_dead(directory: &Directory) -> bool {
    let present = directory.members().filter(|row| row.is_present());
    let (all, dead) =
        present.fold((0, 0), |(all, dead), row| (all + 1, dead + usize::from(row.dead_since_ms.is_some())));
    all > 3 && dead * 3 > all
}

fn is_going(row: &MemberRow) -> bool {
    matches!(row.status, MemberStatus::Draining | MemberStatus::Removed)
}

/// The move of one replica away from a member that is leaving, where there is another one for it.
pub(in crate::host) fn plan_for(
    directory: &Directory,
    row: &JobRow,
    leaving: &[MemberNumber],
) -> Option<PlanReplace> {
    let out = row.replicas.iter().map(|id| id.member()).find(|member| leaving.contains(member))?;
    let free =
        |member: &&MemberRow| row.replica_of(member.number).is_none() && member.dead_since_ms.is_none();
    let spares = directory.active().filter(|member| !leaving.contains(&member.number)).filter(free);
    let into = spares.min_by_key(|member| directory.held(member.number))?.number;
    row.plan.is_none().then_some(PlanReplace { job: row.job, set_index: row.set_index, out, into })
}

//! Carries a planned replacement out, one idempotent step per look, whoever leads the group.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use muster_machine::Machine;
use muster_wire::RaftId;
use tokio::time::Instant;

use super::{CARRY_EVERY, Host, WITHIN};
use crate::directory::{ConfirmReplace, Plan};
use crate::error::ProposeError;
use crate::host::slot::Slot;
use crate::raft::group::Group;

/// Replacements that one node carries out at the same time.
const AT_ONCE: usize = 8;
/// A replica that lags by fewer entries than this has been filled.
const FILLED_WITHIN: u64 = 100;

impl<M: Machine> Host<M> {
    pub(super) async fn carry_replacements(&self) {
        loop {
            muster_runtime::rest(CARRY_EVERY).await;
            let planned = self.planned();
            stream::iter(planned).for_each_concurrent(AT_ONCE, |(slot, plan)| self.carry(slot, plan)).await;
        }
    }

    /// Led groups with a plan.
    fn planned(&self) -> Vec<(Arc<Slot<M>>, Plan)> {
        let view = self.directory.view();
        let plan_of = |slot: &Arc<Slot<M>>| view.state.job(slot.job()).and_then(|row| row.plan);
        self.led_slots().into_iter().filter_map(|slot| plan_of(&slot).map(|plan| (slot, plan))).collect()
    }

    async fn carry(&self, slot: Arc<Slot<M>>, plan: Plan) {
        let Some(group) = slot.running() else { return };
        let done = match stage(&group, plan) {
            Stage::Join => group.add_learner(plan.into, self.deadline()).await,
            Stage::Fill => group.wake_replication().await,
            Stage::GiveAway => give_away(&group, plan.out).await,
            Stage::Swap => swap(&group, plan, self.deadline()).await,
            Stage::Finish => self.finish(&group, plan).await,
        };
        if let Err(error) = done {
            tracing::debug!(job = %slot.job(), %error, "a replacement waits");
        }
    }

    fn deadline(&self) -> Instant {
        self.clock().now() + WITHIN
    }

    /// The uniform membership is committed: the leaver is dropped from it, and the directory is told.
    async fn finish(&self, group: &Group<M>, Plan { out, into }: Plan) -> Result<(), ProposeError> {
        if !group.is_uniform() {
            return Err(ProposeError::busy());
        }
        if group.membership().1.contains(&out) {
            group.remove(out, self.deadline()).await?;
        }
        self.tell_directory(&ConfirmReplace { job: group.job, out, into }).await
    }
}

/// The first thing that is not yet as planned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The comer is not in the group.
    Join,
    /// It has not all entries.
    Fill,
    /// The leaver leads.
    GiveAway,
    /// The comer does not vote instead of the leaver.
    Swap,
    /// The directory does not know.
    Finish,
}

fn stage<M: Machine>(group: &Group<M>, plan: Plan) -> Stage {
    let (voters, learners) = group.membership();
    match (voters.contains(&plan.into), voters.contains(&plan.out)) {
        (true, false) => Stage::Finish,
        (false, _) if !learners.contains(&plan.into) => Stage::Join,
        _ => filling(group, plan),
    }
}

fn filling<M: Machine>(group: &Group<M>, plan: Plan) -> Stage {
    match (is_filled(group, plan.into), plan.out == group.me) {
        (false, _) => Stage::Fill,
        (true, true) => Stage::GiveAway,
        (true, false) => Stage::Swap,
    }
}

async fn swap<M: Machine>(group: &Group<M>, plan: Plan, deadline: Instant) -> Result<(), ProposeError> {
    let (mut voters, _) = group.membership();
    voters.remove(&plan.out);
    voters.insert(plan.into);
    group.set_voters(&voters, deadline).await
}

/// One that stays must carry on.
async fn give_away<M: Machine>(group: &Group<M>, out: RaftId) -> Result<(), ProposeError> {
    let voters = group.membership().0;
    let successor = voters.into_iter().find(|voter| *voter != out && is_filled(group, *voter));
    group.hand_over(successor.ok_or_else(ProposeError::busy)?.0).await
}

fn is_filled<M: Machine>(group: &Group<M>, id: RaftId) -> bool {
    let last = group.status().last_log.unwrap_or(0);
    group.matched(id).is_some_and(|matched| matched + FILLED_WITHIN >= last)
}

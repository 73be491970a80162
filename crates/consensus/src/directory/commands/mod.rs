//! The directory's ten commands, one file each.

mod confirm_replace;
mod member_join;
mod member_remove;
mod member_state;
mod plan_replace;
mod register_job;
mod renew_replica;
mod retire_jobs;
mod set_feature_version;
mod summarize_jobs;

pub use confirm_replace::ConfirmReplace;
pub use member_join::{Joined, MemberJoin};
pub use member_remove::MemberRemove;
pub use member_state::MemberState;
pub use plan_replace::{PlanReplace, Planned};
pub use register_job::{RegisterJob, Registered};
pub use renew_replica::RenewReplica;
pub use retire_jobs::{RetireJobs, Retiring};
pub use set_feature_version::SetFeatureVersion;
pub use summarize_jobs::SummarizeJobs;

use super::bounds;
use muster_machine::Reason;

/// Refuses what is longer than its bound.
fn within(length: usize, most: usize, what: &'static str) -> Result<(), Reason> {
    match length > most {
        true => Err(Reason::TooLarge { what: what.into() }),
        false => Ok(()),
    }
}

//! The one list of the directory's commands.

use muster_machine::command_table;

use super::Directory;
use super::commands::{
    ConfirmReplace, Joined, MemberJoin, MemberRemove, MemberState, PlanReplace, Planned, RegisterJob,
    Registered, RenewReplica, RetireJobs, SetFeatureVersion, SummarizeJobs,
};

command_table! { Directory:
    1 => RegisterJob, "register_job" -> Registered { guards: [] },
    2 => SummarizeJobs, "summarize_jobs" -> u32 { guards: [] },
    3 => RetireJobs, "retire_jobs" -> u32 { guards: [] },
    4 => MemberJoin, "member_join" -> Joined { guards: [] },
    5 => MemberState, "member_state" -> () { guards: [] },
    6 => MemberRemove, "member_remove" -> () { guards: [] },
    7 => PlanReplace, "plan_replace" -> Planned { guards: [] },
    8 => ConfirmReplace, "confirm_replace" -> u64 { guards: [] },
    9 => SetFeatureVersion, "set_feature_version" -> u16 { guards: [] },
    10 => RenewReplica, "renew_replica" -> Planned { guards: [] },
}

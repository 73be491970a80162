//! The command line of commands about parts of a job, and for operators.

use clap::{Args, Subcommand};

#[derive(Args, Debug)]
pub(crate) struct Stats {
    /// Job id, or an unambiguous prefix of it
    pub(crate) job: String,
    /// Only this workflow
    #[arg(long)]
    pub(crate) workflow: Option<String>,
    /// Only this datacenter
    #[arg(long)]
    pub(crate) dc: Option<String>,
    /// Only windows from this RFC 3339 time on
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// Windows at least so wide, such as 10s
    #[arg(long)]
    pub(crate) step: Option<String>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Callback {
    /// Post a job's events to a url
    Add(CallbackAdd),
    /// Stop posting to a url
    Remove(CallbackRemove),
    /// List a job's webhooks and how far each is
    List(JobOnly),
}

#[derive(Args, Debug)]
pub(crate) struct CallbackAdd {
    /// Job id, or an unambiguous prefix of it
    pub(crate) job: String,
    /// http://… or https://…
    pub(crate) url: String,
    /// Only events of this kind; may be given several times
    #[arg(long)]
    pub(crate) kind: Vec<String>,
    /// Signs the deliveries
    #[arg(long, env = "MUSTER_CALLBACK_SECRET", hide_env_values = true, default_value = "")]
    pub(crate) secret: String,
    /// Only events above this version
    #[arg(long, default_value_t = 0)]
    pub(crate) from_version: u64,
}

#[derive(Args, Debug)]
pub(crate) struct CallbackRemove {
    /// Job id, or an unambiguous prefix of it
    pub(crate) job: String,
    /// As it was added
    pub(crate) url: String,
}

#[derive(Args, Debug)]
pub(crate) struct JobOnly {
    /// Job id, or an unambiguous prefix of it
    pub(crate) job: String,
}

#[derive(Subcommand, Debug)]
pub(crate) enum ContextCommand {
    /// Print one value
    Get(ContextKey),
    /// Set one value
    Set(ContextSet),
    /// Delete one key
    Delete(ContextKey),
    /// List every key
    List(ContextList),
}

#[derive(Args, Debug)]
pub(crate) struct ContextKey {
    /// Job id, or an unambiguous prefix of it
    pub(crate) job: String,
    /// The key
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Args, Debug)]
pub(crate) struct ContextSet {
    /// Job id, or an unambiguous prefix of it
    pub(crate) job: String,
    /// The key
    pub(crate) key: String,
    /// As JSON; what is no JSON is taken as a string
    pub(crate) value: String,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Args, Debug)]
pub(crate) struct ContextList {
    /// Job id, or an unambiguous prefix of it
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Args, Debug)]
pub(crate) struct Place {
    /// In this datacenter; default: the first that runs the job
    #[arg(long)]
    pub(crate) dc: Option<String>,
    /// Only when the context has this version
    #[arg(long)]
    pub(crate) if_version: Option<u64>,
}

#[derive(Args, Debug)]
pub(crate) struct Workers {
    /// Only this datacenter
    #[arg(long)]
    pub(crate) dc: Option<String>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Group {
    /// Give the leadership of a job's group to another of its replicas
    Transfer(GroupTransfer),
    /// Build a snapshot of a job's group and shorten its log
    Snapshot(JobOnly),
}

#[derive(Args, Debug)]
pub(crate) struct GroupTransfer {
    /// Job id, or an unambiguous prefix of it
    pub(crate) job: String,
    /// Name, number or id of the member
    #[arg(long)]
    pub(crate) to: String,
}

#[derive(Subcommand, Debug)]
pub(crate) enum NodeCommand {
    /// Let a member give its groups away, or a worker take nothing new
    Drain(NodeDrain),
    /// Let it take work again
    Undrain(NodeName),
    /// Remove a member that is dead or drained
    Remove(NodeName),
}

#[derive(Args, Debug)]
pub(crate) struct NodeDrain {
    /// Name of a member of the cluster asked, or of a worker
    pub(crate) node: String,
    /// Waits until nothing is left on it
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Args, Debug)]
pub(crate) struct NodeName {
    /// Its name
    pub(crate) node: String,
}

#[derive(Args, Debug)]
pub(crate) struct Top {
    /// Between two refreshes
    #[arg(long, default_value = "2s", value_parser = crate::args::duration)]
    pub(crate) every: std::time::Duration,
    /// So many refreshes; default: until ctrl-C on a terminal, else one
    #[arg(long)]
    pub(crate) count: Option<u32>,
}

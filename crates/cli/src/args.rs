//! The command line. Flags beat the environment, the environment beats defaults.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::more_args::{Callback, ContextCommand, Group, NodeCommand, Stats, Top, Workers};

/// Submits, follows and inspects jobs, and runs a whole cluster in one process.
#[derive(Parser, Debug)]
#[command(name = "muster", version, max_term_width = 100, infer_subcommands = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Args, Debug, Clone)]
pub(crate) struct Global {
    /// Gates to talk to, tried in turn; comma separated
    #[arg(
        long,
        global = true,
        env = "MUSTER_GATE",
        default_value = "http://127.0.0.1:7400",
        value_delimiter = ','
    )]
    pub(crate) gate: Vec<String>,
    /// Bearer token
    #[arg(long, global = true, env = "MUSTER_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// What stdout holds
    #[arg(short, long, global = true, value_enum, default_value = "table")]
    pub(crate) output: OutputKind,
    /// Colours on a terminal; `auto` respects NO_COLOR
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub(crate) color: ColorKind,
    /// How long to try before giving up, such as 30s
    #[arg(long, global = true, default_value = "30s", value_parser = duration)]
    pub(crate) timeout: std::time::Duration,
    /// Do not ask before destructive commands
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
}

/// What stdout holds.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputKind {
    /// Text for people
    Table,
    /// One stable document; one line per item while following
    Json,
}

/// When to colour.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColorKind {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

pub(crate) fn duration(text: &str) -> Result<std::time::Duration, String> {
    muster_spec::parse_duration(text).map(std::time::Duration::from_millis)
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run a whole cluster in this process
    Dev(Dev),
    /// Write a commented example job file
    Init(Init),
    /// Submit a job file
    Submit(Submit),
    /// Check a job file and name every fault
    Validate(File),
    /// Say in which datacenters a job would run, and why, or why nowhere
    Plan(File),
    /// List jobs, newest first
    List(List),
    /// Show one job
    Status(Job),
    /// Follow a job to its end; the exit code is the job's
    Watch(Job),
    /// Show what came out of a job
    Results(Job),
    /// Show a job's numbers over time
    Stats(Stats),
    /// Print a job's logs
    Logs(Logs),
    /// Say what a job waits for
    Explain(Job),
    /// Cancel a job
    Cancel(Cancel),
    /// Drop a finished job before its retention ends
    Delete(Job),
    /// Add, remove or list a job's webhooks
    #[command(subcommand)]
    Callback(Callback),
    /// Read or change a job's key/values
    #[command(subcommand)]
    Context(ContextCommand),
    /// List datacenters
    Dcs,
    /// List workers of all datacenters
    Workers(Workers),
    /// List the members that a node sees
    Members(Members),
    /// List Raft groups on the gate asked
    Groups(Groups),
    /// Move the leadership of a job's group, or shorten its log
    #[command(subcommand)]
    Group(Group),
    /// Drain a node, take it back, or remove a dead one
    #[command(subcommand)]
    Node(NodeCommand),
    /// Show the cluster and its jobs, refreshed
    Top(Top),
    /// Look at a node's write-ahead log, without changing it
    #[command(subcommand)]
    Wal(Wal),
    /// Print a shell's completions
    Completions(Completions),
    /// Print versions of this program and of the gate
    Version,
}

#[derive(Args, Debug)]
pub(crate) struct Members {
    /// Print what happens to them, line by line, until interrupted
    #[arg(long, short)]
    pub(crate) follow: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Dev {
    /// Gates
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=7))]
    pub(crate) gates: u32,
    /// Datacenters
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    pub(crate) dcs: u32,
    /// Managers in each datacenter
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=7))]
    pub(crate) managers: u32,
    /// Workers in each datacenter
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) workers: u32,
    /// Cores that each worker offers
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) cores: u32,
    /// Keeps the cluster's data here; default: a temporary directory
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// HTTP port of the first gate; 0: any free one
    #[arg(long, default_value_t = 7400)]
    pub(crate) http_port: u16,
    /// Submits this file, follows it, prints the result and exits with the job's code
    #[arg(long, value_name = "FILE")]
    pub(crate) run: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Init {
    /// Where to write it
    #[arg(default_value = "job.toml")]
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct File {
    /// TOML, YAML or JSON by its ending; `-`: TOML from stdin
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct Submit {
    /// TOML, YAML or JSON by its ending; `-`: TOML from stdin
    pub(crate) file: PathBuf,
    /// Follow the job to its end; the exit code is the job's
    #[arg(short, long, alias = "wait")]
    pub(crate) follow: bool,
    /// Idempotency key; the same key and file make one job
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Sets a field of the file, such as `priority=70` or `context.region=us`
    #[arg(long, value_name = "K=V")]
    pub(crate) set: Vec<String>,
    /// Runs it in these datacenters
    #[arg(long)]
    pub(crate) dc: Vec<String>,
    /// Checks everything and writes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The job ran elsewhere before: its tokens begin above this one
    #[arg(long, value_name = "TOKEN")]
    pub(crate) fence_floor: Option<u64>,
}

#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only jobs with this status
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only jobs with this label, `key=value`
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) limit: u32,
    /// All pages
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Job {
    /// Job id, or an unambiguous prefix of it
    pub(crate) job: String,
}

#[derive(Args, Debug)]
pub(crate) struct Logs {
    /// Job id, or an unambiguous prefix of it
    pub(crate) job: String,
    /// Only this workflow
    #[arg(long)]
    pub(crate) workflow: Option<String>,
    /// Only this shard
    #[arg(long)]
    pub(crate) shard: Option<u32>,
    /// Go on until the job ends
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only so many last lines of each shard
    #[arg(long)]
    pub(crate) tail: Option<u32>,
}

#[derive(Args, Debug)]
pub(crate) struct Cancel {
    /// Job id, or an unambiguous prefix of it
    pub(crate) job: String,
    /// Only this workflow and all that depend on it; may be given several times
    #[arg(long)]
    pub(crate) workflow: Vec<String>,
    /// Why, for people
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
    /// SIGTERM to SIGKILL, such as 5s; default: each workflow's own
    #[arg(long)]
    pub(crate) grace: Option<String>,
    /// Waits until nothing of it runs any more
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Groups {
    /// Only this job's group, with its replicas
    #[arg(long)]
    pub(crate) job: Option<String>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Wal {
    /// Show segments, groups and damage
    Inspect {
        /// The node's data directory, or the `wal` directory in it
        dir: PathBuf,
    },
    /// Check every checksum; exit code 1 when acknowledged records are damaged
    Verify {
        /// The node's data directory, or the `wal` directory in it
        dir: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// bash, zsh, fish, elvish or powershell
    pub(crate) shell: clap_complete::Shell,
}

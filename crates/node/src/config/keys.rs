//! Every key of the configuration: the one list that the file, the flags, the environment and the docs share.

/// How the text of a flag or an environment variable is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyKind {
    /// As it stands: names, paths, addresses, durations, sizes.
    Text,
    /// As a TOML value: numbers, booleans, lists, tables.
    Value,
}

/// One key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// Its table in the file.
    pub section: &'static str,
    /// Its name in the table.
    pub name: &'static str,
    /// `section.name`; also its flag, behind two dashes.
    pub path: &'static str,
    /// How its text is read.
    pub kind: KeyKind,
    /// What it says, in one line.
    pub help: &'static str,
}

macro_rules! keys {
    ($($kind:ident $section:literal $name:literal $help:literal,)+) => {
        /// Every key, by section.
        pub const KEYS: &[Key] = &[$(Key {
            section: $section,
            name: $name,
            path: concat!($section, ".", $name),
            kind: KeyKind::$kind,
            help: $help,
        },)+];
    };
}

keys! {
    Text "node" "name" "this node's name, unique in its cluster",
    Text "node" "data_dir" "where everything of this node is kept [/var/lib/muster]",
    Text "node" "cluster" "the installation's name, the same everywhere [muster]",
    Text "node" "datacenter" "the datacenter of this node [dc1]",
    Text "listen" "http" "address of the HTTP API [127.0.0.1:7400]",
    Text "listen" "rpc" "address for other nodes [127.0.0.1:7401]",
    Text "listen" "swim" "UDP address of the failure detector [127.0.0.1:7402]",
    Text "advertise" "http" "host:port of the HTTP API for others [as listen.http]",
    Text "advertise" "rpc" "host:port that other nodes dial [as listen.rpc]",
    Text "advertise" "swim" "host:port where other nodes send membership packets [as listen.swim]",
    Value "cluster" "initial_members" "the members that found the cluster: [{ name, rpc, swim }, …]",
    Value "cluster" "join" "host:port of swim listeners to join through, for later nodes and for workers",
    Value "cluster" "replication" "replicas of a job: 1, 3, 5 or 7 [3]",
    Text "cluster" "replace_after" "a member dead for longer is replaced in its groups [2m]",
    Value "gate" "datacenters" "gates only: managers' rpc addresses by datacenter, { \"eu-1\" = [\"host:7401\"] }",
    Text "gate" "lease" "how long a datacenter holds a job without renewal [30s]",
    Text "gate" "dc_lost_timeout" "a datacenter that does not answer for longer is lost [30s]",
    Text "gate" "callback_timeout" "a webhook to which nothing could be delivered for so long is given up [1h]",
    Text "raft" "profile" "lan, wan or test [lan]",
    Text "raft" "heartbeat" "time between heartbeats [by profile]",
    Value "raft" "election" "shortest and longest election timeout, [\"1500ms\", \"3s\"] [by profile]",
    Value "raft" "snapshot_entries" "log entries between two snapshots of a group [5000]",
    Value "groups" "max" "groups that this node may hold [10000]",
    Value "groups" "awake_max" "groups that may be awake at once [300 per core, 1000 at least]",
    Value "groups" "resident_max" "groups in memory above which sleepers leave it [by memory]",
    Text "groups" "sleep_after" "an idle group sleeps after this [10s]",
    Text "groups" "evict_after" "a sleeping group leaves memory after this [5m]",
    Text "groups" "register_timeout" "a registered job without a submission is void after this [60s]",
    Text "groups" "tombstone_keep" "finished jobs are remembered for this long [24h]",
    Text "wal" "segment" "size of one file of the write-ahead log [64MiB]",
    Text "wal" "budget" "size above which old files are rewritten [1GiB]",
    Value "worker" "cores" "cores offered to shards [those of the machine]",
    Value "worker" "labels" "what constraints match against, { zone = \"a\" }",
    Text "worker" "orphan_grace" "shards stop when no manager was heard for this long [60s]",
    Text "worker" "log_dir" "where shards' logs are kept [data_dir/logs]",
    Value "security" "insecure" "listen on other addresses than loopback without encryption [false]",
    Value "security" "tokens" "HTTP bearer tokens: [{ name, role = \"viewer|submitter|operator\", token }, …]",
    Text "security" "seal_key" "gates only: seals the secrets of webhooks; the same at every gate",
    Text "security" "swim_keys" "file with the keys of membership packets, one `<id> <64 hex digits>` a line, the sealing one first",
    Text "limits" "body" "longest HTTP request body [5MiB]",
    Text "limits" "request_timeout" "time until an HTTP answer begins [65s]",
    Value "limits" "connections" "HTTP connections at the same time [4096]",
    Value "limits" "submissions" "submissions of one client per window; 0: no limit [50]",
    Text "limits" "submissions_window" "see limits.submissions [10s]",
    Value "limits" "in_flight_per_group" "proposals under way in one group [256]",
    Value "limits" "in_flight_per_node" "proposals under way on this node [8192]",
    Value "limits" "calls_per_peer" "calls under way to one node [1024]",
    Value "limits" "calls_served" "calls served at the same time [8192]",
    Text "telemetry" "log" "log filter: info, debug, muster_gate=debug,info … [info]",
    Text "telemetry" "log_format" "text or json [text]",
}

impl Key {
    /// Its environment variable: `MUSTER_SECTION_NAME`.
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.path.replace('.', "_").to_uppercase())
    }
}

/// In front of every environment variable.
pub(super) const VARIABLE_PREFIX: &str = "MUSTER_";

/// The key at `section.name`.
pub(super) fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| (key.section, key.name) == (section, name))
}

/// Is there such a section?
pub(super) fn is_section(section: &str) -> bool {
    KEYS.iter().any(|key| key.section == section)
}

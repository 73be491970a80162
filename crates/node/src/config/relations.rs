//! What a configuration must fulfil beyond the type of each value.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use muster_consensus::InitialMember;
use muster_wire::Role;

use super::Config;
use super::reader::Reader;

const NAME_CHARS_MAX: usize = 64;
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = (1 << 20)..=(1 << 30);

/// Adds a fault for each relation that cannot work.
pub(super) fn check(config: &Config, reader: &mut Reader) {
    check_names(config, reader);
    check_addresses(config, reader);
    check_times(config, reader);
    check_sizes(config, reader);
    check_fixed_times(config, reader);
    match config.role {
        Role::Gate | Role::Manager => check_members(config, reader),
        Role::Worker => check_worker(config, reader),
    }
}

fn check_names(config: &Config, reader: &mut Reader) {
    let names = [
        ("node.name", &config.node.name),
        ("node.cluster", &config.node.cluster),
        ("node.datacenter", &config.node.datacenter),
    ];
    for (path, name) in names {
        reader.require(is_name(name), path, "1 to 64 characters out of [A-Za-z0-9._-] are expected");
    }
}

fn is_name(text: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=NAME_CHARS_MAX).contains(&text.len()) && text.chars().all(is_fit)
}

fn check_addresses(config: &Config, reader: &mut Reader) {
    for ((name, listen), (_, advertise)) in config.listen.all().into_iter().zip(config.advertise.all()) {
        check_open(config, reader, (name, listen));
        check_reachable(reader, (name, listen), advertise);
    }
    let (http, rpc) = (config.listen.http, config.listen.rpc);
    reader.require(http != rpc || http.port() == 0, "listen.rpc", "is the same as listen.http");
}

fn check_open(config: &Config, reader: &mut Reader, (name, listen): (&str, SocketAddr)) {
    let message = format!(
        "{listen} is not loopback and traffic is not encrypted: listen on loopback, or start with --insecure on a \
         network that you trust"
    );
    let is_sealed = name == "swim" && config.security.swim_keys.is_some();
    let is_allowed = is_sealed || listen.ip().is_loopback() || config.security.insecure;
    reader.require(is_allowed, &format!("listen.{name}"), message);
}

/// Clients may use any address of this machine; nodes need one that is theirs to dial.
fn check_reachable(reader: &mut Reader, (name, listen): (&str, SocketAddr), advertise: Option<&str>) {
    let is_for_nodes = name != "http";
    let is_missing = is_for_nodes && listen.ip().is_unspecified() && advertise.is_none();
    let message = format!("is needed because listen.{name} is {listen}");
    reader.require(!is_missing, &format!("advertise.{name}"), message);
}

fn check_times(config: &Config, reader: &mut Reader) {
    let owed = config.gate.lease + config.gate.dc_lost_timeout + Duration::from_secs(60);
    reader.require(
        config.groups.tombstone_keep > owed,
        "groups.tombstone_keep",
        format!("must exceed gate.lease + gate.dc_lost_timeout + 60s = {owed:?}"),
    );
    let timing = config.raft.profile.timing();
    let detection = Duration::from_millis(timing.election_max_ms) * 3;
    reader.require(
        config.worker.orphan_grace > detection,
        "worker.orphan_grace",
        format!("must exceed detection, election and takeover: {detection:?}"),
    );
    let positive = [
        ("gate.lease", config.gate.lease),
        ("gate.dc_lost_timeout", config.gate.dc_lost_timeout),
        ("groups.sleep_after", config.groups.sleep_after),
        ("groups.evict_after", config.groups.evict_after),
        ("groups.register_timeout", config.groups.register_timeout),
        ("limits.request_timeout", config.limits.request_timeout),
        ("limits.submissions_window", config.limits.submissions_window),
    ];
    for (path, time) in positive {
        reader.require(time >= Duration::from_secs(1), path, "must be at least 1s");
    }
}

/// Heartbeat and election come from the profile; a file that names them must name figures that can work, and these.
fn check_fixed_times(config: &Config, reader: &mut Reader) {
    let timing = config.raft.profile.timing();
    let heartbeat = reader.get("raft", "heartbeat").unwrap_or(timing.heartbeat());
    let fixed =
        (Duration::from_millis(timing.election_min_ms), Duration::from_millis(timing.election_max_ms));
    let (least, most) = reader.get("raft", "election").unwrap_or(fixed);
    reader.require(heartbeat * 3 <= least, "raft.heartbeat", format!("3 heartbeats must fit into {least:?}"));
    reader.require(least < most, "raft.election", "the first must be shorter than the second");
    reader.require(
        heartbeat == timing.heartbeat(),
        "raft.heartbeat",
        format!("the profile's is {:?}: choose another raft.profile", timing.heartbeat()),
    );
    reader.require(
        (least, most) == fixed,
        "raft.election",
        format!("the profile's is {:?} to {:?}: choose another raft.profile", fixed.0, fixed.1),
    );
}

fn check_sizes(config: &Config, reader: &mut Reader) {
    let wal = config.wal;
    reader.require(SEGMENT_BYTES.contains(&wal.segment_bytes), "wal.segment", "must be 1MiB to 1GiB");
    let least = wal.segment_bytes.saturating_mul(4);
    reader.require(wal.budget_bytes >= least, "wal.budget", "must be at least four segments");
    let limits = config.limits;
    let positive = [
        ("groups.max", u64::from(config.groups.max)),
        ("groups.awake_max", config.groups.awake_max as u64),
        ("groups.resident_max", config.groups.resident_max as u64),
        ("raft.snapshot_entries", config.raft.snapshot_entries),
        ("limits.body", limits.body_bytes as u64),
        ("limits.connections", limits.connections as u64),
        ("limits.in_flight_per_group", limits.in_flight_per_group as u64),
        ("limits.in_flight_per_node", limits.in_flight_per_node as u64),
        ("limits.calls_per_peer", limits.calls_per_peer as u64),
        ("limits.calls_served", limits.calls_served as u64),
    ];
    for (path, number) in positive {
        reader.require(number > 0, path, "must be more than 0");
    }
}

fn check_worker(config: &Config, reader: &mut Reader) {
    reader.require(config.worker.cores > 0, "worker.cores", "must be more than 0");
    let has_seeds = !config.cluster.join.is_empty();
    reader.require(has_seeds, "cluster.join", "is needed: the managers' swim addresses");
}

type Field = fn(&InitialMember) -> &str;

fn check_members(config: &Config, reader: &mut Reader) {
    let (members, join) = (&config.cluster.initial_members, &config.cluster.join);
    let odd = [1, 3, 5, 7];
    reader.require(odd.contains(&config.cluster.replication), "cluster.replication", "must be 1, 3, 5 or 7");
    if members.is_empty() {
        let message = "is needed to found a cluster; to join one, give cluster.join";
        return reader.require(!join.is_empty(), "cluster.initial_members", message);
    }
    reader.require(
        odd.contains(&(members.len() as u32)),
        "cluster.initial_members",
        "must be 1, 3, 5 or 7 nodes",
    );
    let is_named = members.iter().any(|member| member.name == config.node.name);
    let message = format!("does not name this node, `{}`; a later node gives cluster.join", config.node.name);
    reader.require(is_named || !join.is_empty(), "cluster.initial_members", message);
    let fields: [(&str, Field); 3] =
        [("name", |member| &member.name), ("rpc", |member| &member.rpc), ("swim", |member| &member.swim)];
    for (field, of) in fields {
        let distinct: BTreeSet<&str> = members.iter().map(of).collect();
        let message = format!("two members have the same {field}");
        reader.require(distinct.len() == members.len(), "cluster.initial_members", message);
    }
}

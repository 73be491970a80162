//! The configuration that is in effect, for `GET /v1/node`.

use std::time::Duration;

use serde_json::{Value, json};

use super::Config;

/// Every section as it is used; secrets masked.
pub(super) fn document(config: &Config) -> Value {
    json!({
        "node": node(config),
        "listen": addresses(config.listen.all().map(|(name, addr)| (name, Some(addr.to_string())))),
        "advertise": addresses(config.advertise.all().map(|(name, addr)| (name, addr.map(str::to_owned)))),
        "cluster": cluster(config),
        "gate": {
            "datacenters": config.gate.datacenters,
            "lease": text(config.gate.lease),
            "dc_lost_timeout": text(config.gate.dc_lost_timeout),
            "callback_timeout": text(config.gate.callback_timeout),
        },
        "raft": {
            "profile": format!("{:?}", config.raft.profile).to_lowercase(),
            "snapshot_entries": config.raft.snapshot_entries,
        },
        "groups": {
            "max": config.groups.max,
            "awake_max": config.groups.awake_max,
            "resident_max": config.groups.resident_max,
            "sleep_after": text(config.groups.sleep_after),
            "evict_after": text(config.groups.evict_after),
            "register_timeout": text(config.groups.register_timeout),
            "tombstone_keep": text(config.groups.tombstone_keep),
        },
        "wal": { "segment": config.wal.segment_bytes, "budget": config.wal.budget_bytes },
        "worker": {
            "cores": config.worker.cores,
            "labels": config.worker.labels,
            "orphan_grace": text(config.worker.orphan_grace),
            "log_dir": config.worker.log_dir,
        },
        "security": {
            "insecure": config.security.insecure,
            "tokens": tokens(config),
            "seal_key": config.security.seal_key.as_ref().map(|_| "***"),
            "swim_keys": config.security.swim_keys,
        },
        "limits": limits(config),
        "telemetry": { "log": config.telemetry.log, "log_format": format!("{:?}", config.telemetry.log_format).to_lowercase() },
    })
}

fn text(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

fn node(config: &Config) -> Value {
    let node = &config.node;
    json!({ "name": node.name, "data_dir": node.data_dir, "cluster": node.cluster, "datacenter": node.datacenter })
}

fn addresses(addresses: [(&str, Option<String>); 3]) -> Value {
    addresses.into_iter().filter_map(|(name, addr)| Some((name.to_owned(), Value::String(addr?)))).collect()
}

fn cluster(config: &Config) -> Value {
    let cluster = &config.cluster;
    let member = |member: &muster_consensus::InitialMember| json!({ "name": member.name, "rpc": member.rpc, "swim": member.swim });
    let members: Vec<Value> = cluster.initial_members.iter().map(member).collect();
    json!({
        "initial_members": members,
        "join": cluster.join,
        "replication": cluster.replication,
        "replace_after": text(cluster.replace_after),
    })
}

fn tokens(config: &Config) -> Vec<Value> {
    let masked = config.security.tokens.iter();
    masked.map(|token| json!({ "name": token.name, "role": token.role.name(), "token": "***" })).collect()
}

fn limits(config: &Config) -> Value {
    let limits = &config.limits;
    json!({
        "body": limits.body_bytes,
        "request_timeout": text(limits.request_timeout),
        "connections": limits.connections,
        "submissions": limits.submissions,
        "submissions_window": text(limits.submissions_window),
        "in_flight_per_group": limits.in_flight_per_group,
        "in_flight_per_node": limits.in_flight_per_node,
        "calls_per_peer": limits.calls_per_peer,
        "calls_served": limits.calls_served,
    })
}

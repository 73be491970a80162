use std::time::Duration;

use clap::error::ErrorKind;
use muster_consensus::Profile;
use muster_wire::Role;

use super::{Config, Fault, Flags, KEYS, Sources, command, parse_duration, parse_size};
use crate::http::AccessRole;

const MANAGER: &str = r#"
[node]
name = "m1"
data_dir = "/tmp/m1"
cluster = "prod"
datacenter = "eu-1"
[cluster]
initial_members = [{ name = "m1", rpc = "127.0.0.1:7401", swim = "127.0.0.1:7402" }]
"#;

fn load(role: Role, text: &str) -> Result<Config, Vec<Fault>> {
    Config::load(role, &Sources { text: Some(text.into()), ..Sources::default() }).map_err(|faults| faults.0)
}

fn paths(role: Role, text: &str) -> Vec<String> {
    load(role, text).unwrap_err().into_iter().map(|fault| fault.path).collect()
}

#[test]
fn a_small_file_is_enough_and_the_rest_has_defaults() {
    let config = load(Role::Manager, MANAGER).unwrap();
    assert_eq!(config.listen.http.to_string(), "127.0.0.1:7400");
    assert_eq!(config.raft.profile, Profile::Lan);
    assert_eq!(config.wal.segment_bytes, 64 << 20);
    assert_eq!(config.groups.tombstone_keep, Duration::from_secs(24 * 3600));
}

#[test]
fn all_faults_are_reported_at_once() {
    let text = r#"
[node]
name = "bad name"
named = "x"
[listen]
http = "nowhere"
rpc = "0.0.0.0:7401"
[raft]
heartbeat = "900ms"
[wal]
segment = "1KiB"
[nosuch]
key = 1
"#;
    let faults = paths(Role::Manager, text);
    let expected = [
        "nosuch",
        "node.named",
        "listen.http",
        "node.name",
        "listen.rpc",
        "advertise.rpc",
        "wal.segment",
        "raft.heartbeat",
        "cluster.initial_members",
    ];
    for path in expected {
        assert!(faults.contains(&path.to_string()), "{path} is missing in {faults:?}");
    }
}

#[test]
fn an_open_address_needs_the_word_insecure() {
    let text = format!("{MANAGER}[listen]\nrpc = \"10.0.0.1:7401\"\n");
    assert_eq!(paths(Role::Manager, &text), ["listen.rpc"]);
    load(Role::Manager, &format!("{text}[security]\ninsecure = true\n")).unwrap();
}

#[test]
fn three_heartbeats_must_fit_into_the_shortest_election() {
    let text = format!("{MANAGER}[raft]\nheartbeat = \"600ms\"\n");
    assert!(paths(Role::Manager, &text).contains(&"raft.heartbeat".to_string()));
}

#[test]
fn later_sources_override_earlier_ones() {
    let sources = Sources {
        text: Some(MANAGER.into()),
        environment: vec![
            ("MUSTER_NODE_DATACENTER".into(), "from-env".into()),
            ("MUSTER_RAFT_SNAPSHOT_ENTRIES".into(), "77".into()),
            ("MUSTER_GATE".into(), "http://other".into()),
            ("PATH".into(), "/bin".into()),
        ],
        settings: vec![("node.datacenter".into(), "from-flag".into())],
        ..Sources::default()
    };
    let config = Config::load(Role::Manager, &sources).unwrap();
    assert_eq!((config.node.datacenter.as_str(), config.raft.snapshot_entries), ("from-flag", 77));
}

#[test]
fn a_mistyped_variable_is_a_fault() {
    let environment = vec![("MUSTER_LISTEN_HTTPS".into(), "x".into())];
    let sources = Sources { text: Some(MANAGER.into()), environment, ..Sources::default() };
    assert_eq!(Config::load(Role::Manager, &sources).unwrap_err().0[0].path, "MUSTER_LISTEN_HTTPS");
}

#[test]
fn every_key_is_a_flag() {
    let arguments =
        ["muster-manager", "--node.name", "m1", "--set", "raft.profile=test", "--insecure", "--check"];
    let matches = command("muster-manager", "test").try_get_matches_from(arguments).unwrap();
    let flags = Flags::read(&matches, Vec::new()).unwrap();
    assert!(flags.check);
    let sources = Sources { text: Some(MANAGER.into()), ..flags.sources };
    let config = Config::load(Role::Manager, &sources).unwrap();
    assert_eq!((config.raft.profile, config.security.insecure), (Profile::Test, true));
    let help =
        command("muster-manager", "test").try_get_matches_from(["muster-manager", "--help"]).unwrap_err();
    assert_eq!(help.kind(), ErrorKind::DisplayHelp);
    assert!(KEYS.iter().all(|key| help.to_string().contains(&format!("--{}", key.path))));
}

#[test]
fn lists_and_tables_are_flags_too() {
    let settings = vec![
        ("cluster.join".into(), r#"["h:7402"]"#.into()),
        ("worker.labels".into(), r#"{ zone = "a" }"#.into()),
        ("node.name".into(), "7".into()),
    ];
    let config = Config::load(Role::Worker, &Sources { settings, ..Sources::default() }).unwrap();
    assert_eq!((config.node.name.as_str(), config.worker.labels["zone"].as_str()), ("7", "a"));
    assert_eq!(config.seeds(), ["h:7402"]);
}

#[test]
fn secrets_are_masked_in_what_is_shown() {
    let text = format!(
        "{MANAGER}[security]\ntokens = [{{ name = \"ci\", role = \"submitter\", token = \"geheim\" }}]\n"
    );
    let config = load(Role::Manager, &text).unwrap();
    assert_eq!(config.security.tokens[0].role, AccessRole::Submitter);
    assert!(!config.document().to_string().contains("geheim"));
    assert!(!format!("{config:?}").contains("geheim"));
}

#[test]
fn members_must_be_an_odd_number_of_distinct_nodes_with_this_one() {
    let text = r#"
[node]
name = "m9"
[cluster]
initial_members = [{ name = "m1", rpc = "a:1", swim = "a:2" }, { name = "m1", rpc = "a:1", swim = "b:2" }]
"#;
    let messages: Vec<String> =
        load(Role::Manager, text).unwrap_err().into_iter().map(|fault| fault.message).collect();
    assert_eq!(messages.len(), 4, "{messages:?}");
}

#[test]
fn durations_and_sizes_read_as_people_write_them() {
    assert_eq!(parse_duration("1h30m"), Some(Duration::from_secs(5400)));
    assert_eq!(parse_duration("300ms"), Some(Duration::from_millis(300)));
    assert_eq!(
        [parse_duration(""), parse_duration("3"), parse_duration("s"), parse_duration("3 s")],
        [None; 4]
    );
    assert_eq!(parse_size("64MiB"), Some(64 << 20));
    assert_eq!(parse_size("12"), Some(12));
    assert_eq!([parse_size("MiB"), parse_size("1XB"), parse_size("99999999999GiB")], [None; 3]);
}

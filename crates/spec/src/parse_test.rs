use super::*;
use muster_wire::WorkflowIx;
use muster_wire::spec::{OnLost, Require};

const FULL: &str = r#"
name = "nightly-index"
timeout = "10m"
datacenter_count = 1
require = "all"
on_lost = "wait"
retention = "1h"
priority = 70
labels = { team = "search" }
[context]
region = "eu"
limits = { most = 3 }
[[workflows]]
name = "prepare"
command = ["sh", "-c", "echo preparing"]
env = { RUST_LOG = "info" }
timeout = "60s"
retries = 2
[[workflows]]
name = "index"
depends_on = ["prepare"]
command = ["./index", "--shard", "{{shard}}"]
replicas = 4
"#;

const FIVE_FAULTS: &str = r#"name = "bad name!"
timeout = "soon"
on_lots = "retry"
[[workflows]]
name = "a"
command = ["echo", "{{sharp}}"]
[[workflows]]
name = "b"
command = ["true"]
depends_on = ["missing"]
"#;

#[test]
fn the_contract_s_example_reads_in_all_three_formats() {
    let toml = parse(FULL, Format::Toml).unwrap();
    assert_eq!(toml.workflows[1].depends_on, [WorkflowIx(0)]);
    assert_eq!((toml.on_lost, toml.require, toml.workflows[0].retries), (OnLost::Wait, Require::All, 2));
    assert_eq!(toml.context["region"].to_plain(), "eu");
    let json = r#"{"name":"nightly-index","timeout":"10m","datacenter_count":1,"require":"all","on_lost":"wait",
      "retention":"1h","priority":70,"labels":{"team":"search"},"context":{"region":"eu","limits":{"most":3}},
      "workflows":[{"name":"prepare","command":["sh","-c","echo preparing"],"env":{"RUST_LOG":"info"},"timeout":"60s","retries":2},
      {"name":"index","depends_on":["prepare"],"command":["./index","--shard","{{shard}}"],"replicas":4}]}"#;
    assert_eq!(parse(json, Format::Json).unwrap(), toml);
    assert_eq!(parse(json, Format::Yaml).unwrap(), toml);
}

#[test]
fn five_faults_are_reported_at_once_with_line_and_column() {
    let faults = parse(FIVE_FAULTS, Format::Toml).unwrap_err();
    let seen: Vec<(&str, Option<u32>, Option<u32>)> =
        faults.iter().map(|fault| (fault.path.as_str(), fault.line, fault.column)).collect();
    assert_eq!(
        seen,
        [
            ("name", Some(1), Some(8)),
            ("timeout", Some(2), Some(11)),
            ("on_lots", Some(3), Some(1)),
            ("workflows[0].command[1]", Some(6), Some(20)),
            ("workflows[1].depends_on[0]", Some(10), Some(15)),
        ],
        "{faults:#?}"
    );
    assert!(faults[2].message.contains("did you mean `on_lost`"));
}

#[test]
fn json_and_yaml_faults_have_places_too() {
    let json =
        "{\n  \"name\": \"x\",\n  \"workflows\": [{\"name\": \"a\", \"command\": [], \"replicas\": 0}]\n}";
    for format in [Format::Json, Format::Yaml] {
        let faults = parse(json, format).unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:#?}");
        assert!(faults.iter().all(|fault| fault.line == Some(3)), "{format:?} {faults:#?}");
    }
}

#[test]
fn a_cycle_is_a_fault_that_names_its_members() {
    let text = "name = 'x'\n[[workflows]]\nname='a'\ncommand=['true']\ndepends_on=['b']\n[[workflows]]\nname='b'\ncommand=['true']\ndepends_on=['a']\n[[workflows]]\nname='c'\ncommand=['true']\n";
    let faults = parse(text, Format::Toml).unwrap_err();
    assert!(faults[0].message.ends_with("in a cycle: a, b"), "{faults:?}");
}

#[test]
fn yaml_aliases_are_refused_before_anything_is_expanded() {
    let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nname: x\n";
    let faults = parse(bomb, Format::Yaml).unwrap_err();
    assert!(faults[0].message.contains("aliases"), "{faults:?}");
}

#[test]
fn broken_text_is_one_fault_with_its_place() {
    for (text, format) in [("name = ", Format::Toml), ("{\"name\": }", Format::Json), ("a: [", Format::Yaml)]
    {
        let faults = parse(text, format).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].line.is_some(), "{format:?} {faults:?}");
    }
}

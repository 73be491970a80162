//! The `muster` program, as people and scripts use it.

use std::process::Command;

use muster_tests::process::program;

use crate::support::turn;

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn muster(args: &[&str]) -> Said {
    let output = Command::new(program()).arg("muster").args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn example(name: &str) -> String {
    format!("{}/../examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_runs_hello_to_its_end_and_exits_0() {
    let _turn = turn().await;
    let said = muster(&["dev", "--http-port", "0", "--run", &example("hello.toml")]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(said.out.contains("hello earth"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_runs_fails_and_names_workflow_shard_exit_code_and_last_log_lines() {
    let _turn = turn().await;
    let said = muster(&["dev", "--http-port", "0", "--run", &example("fails.toml")]);
    assert_eq!(said.code, 10, "{}\n{}", said.out, said.err);
    for wanted in
        ["workflow `check`, shard 1", ": exit code 3", "| checking part 1, try 2", "| part 1 is broken"]
    {
        assert!(said.err.contains(wanted), "no `{wanted}` in:\n{}", said.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_hosts_a_replicated_cluster_of_two_datacenters_in_one_process() {
    let _turn = turn().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("both.toml");
    let text = std::fs::read_to_string(example("hello.toml")).unwrap();
    std::fs::write(&file, text.replace("name = \"hello\"", "name = \"both\"\ndatacenter_count = 2")).unwrap();
    let topology = ["--gates", "3", "--dcs", "2", "--managers", "3", "--workers", "2"];
    let file = file.display().to_string();
    let args: Vec<&str> =
        ["dev", "--http-port", "0"].into_iter().chain(topology).chain(["--run", file.as_str()]).collect();
    let said = muster(&args);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(said.out.contains("dc1") && said.out.contains("dc2"), "{}", said.out);
}

#[test]
fn a_file_with_five_faults_gets_all_five_with_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.toml");
    std::fs::write(
        &file,
        "name = \"bad name!\"\ntimeout = \"soon\"\non_lots = \"retry\"\n[[workflows]]\nname = \"a\"\ncommand = [\"echo\", \
         \"{{sharp}}\"]\n[[workflows]]\nname = \"b\"\ncommand = [\"true\"]\ndepends_on = [\"missing\"]\n",
    )
    .unwrap();
    let said = muster(&["validate", &file.display().to_string()]);
    assert_eq!(said.code, 2);
    for place in ["1:8", "2:11", "3:1", "6:20", "10:15"] {
        assert!(said.err.contains(place), "no {place} in:\n{}", said.err);
    }
}

#[test]
fn the_configurations_of_deploy_are_sound_on_a_trusted_network() {
    for role in ["gate", "manager", "worker"] {
        let file = format!("{}/../deploy/config/{role}.toml", env!("CARGO_MANIFEST_DIR"));
        let check = |more: &[&str]| {
            let given = [role, "--config", &file, "--check"];
            Command::new(program()).args(given).args(more).output().unwrap()
        };
        assert_eq!(check(&[]).status.code(), Some(2), "{role}: plain links on open addresses");
        let output = check(&["--insecure"]);
        assert!(output.status.success(), "{role}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn an_unreachable_gate_is_exit_code_6_and_one_sentence() {
    let said = muster(&["--gate", "http://127.0.0.1:1", "--timeout", "300ms", "list"]);
    assert_eq!(said.code, 6);
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
}

//! The `muster` program: every subcommand in JSON, and every exit code.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use muster_tests::process::program;
use muster_tests::{Cluster, Topology};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::turn;

const TOKENS: &str =
    "[{ name = 'ops', role = 'operator', token = 'op' }, { name = 'eve', role = 'viewer', token = 'see' }]";
const NOWHERE: &str = "01890000-0000-7000-8000-000000000000";

struct Said {
    code: i32,
    out: String,
    err: String,
}

/// The program with a gate, a token and a directory for its files.
struct Muster {
    gate: String,
    dir: tempfile::TempDir,
}

impl Muster {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.arg("muster").args(args);
        for (flag, value) in [("--gate", self.gate.as_str()), ("--token", "op")] {
            if !args.contains(&flag) {
                command.args([flag, value]);
            }
        }
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        let output = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// With `-o json`: what stdout holds, one document or one a line.
    fn json(&self, args: &[&str]) -> Value {
        let said = self.run(&[args, &["-o", "json"]].concat());
        assert_eq!(said.code, 0, "{args:?}: {}{}", said.out, said.err);
        serde_json::from_str(&said.out).unwrap_or_else(|_| lines(args, &said.out))
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn submit(&self, text: &str) -> String {
        let file = self.file("job.toml", text);
        self.json(&["submit", &file])["id"].as_str().unwrap().to_owned()
    }
}

fn lines(args: &[&str], text: &str) -> Value {
    let parse =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{args:?}: {error} in {line}"));
    let items: Vec<Value> = text.lines().map(parse).collect();
    assert!(!items.is_empty(), "{args:?} said nothing");
    Value::Array(items)
}

fn job(name: &str, more: &str, command: &str) -> String {
    format!("name = '{name}'\n{more}\n[[workflows]]\nname = 'a'\ncommand = ['sh', '-c', '{command}']\n")
}

async fn start() -> (Cluster, Muster) {
    let mut cluster = Cluster::prepare(Topology::SMALL).unwrap();
    cluster.set("security.tokens", TOKENS);
    cluster.start_all().await.unwrap();
    let gate = format!("http://{}", cluster.plan("g1").unwrap().http());
    (cluster, Muster { gate, dir: tempfile::tempdir().unwrap() })
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "one row a case")]
async fn every_subcommand_prints_json_that_parses() {
    let _turn = turn().await;
    let (cluster, muster) = start().await;
    let log = cluster.data_dir("g1").display().to_string();
    let said = r#"echo "::muster {\"stats\":{\"rows\":3}}"; echo done"#;
    let text = job("walk", "", said);
    let file = muster.file("walk.toml", &text);
    let done = muster.submit(&text);
    muster.json(&["watch", &done]);
    let open = muster.submit(&job("open", "", "sleep 60"));
    let url = "http://127.0.0.1:9/hook";
    let walk: &[(&str, Vec<&str>)] = &[
        ("init", vec!["init", "example.toml"]),
        ("submit", vec!["submit", &file, "--dry-run"]),
        ("validate", vec!["validate", &file]),
        ("plan", vec!["plan", &file]),
        ("list", vec!["list", "--all"]),
        ("status", vec!["status", &done]),
        ("watch", vec!["watch", &done]),
        ("results", vec!["results", &done]),
        ("stats", vec!["stats", &done]),
        ("logs", vec!["logs", &done]),
        ("explain", vec!["explain", &open]),
        ("callback add", vec!["callback", "add", &open, url, "--kind", "end"]),
        ("callback list", vec!["callback", "list", &open]),
        ("callback remove", vec!["callback", "remove", &open, url]),
        ("context set", vec!["context", "set", &open, "key", "{\"a\":1}"]),
        ("context get", vec!["context", "get", &open, "key"]),
        ("context list", vec!["context", "list", &open]),
        ("context delete", vec!["context", "delete", &open, "key"]),
        ("dcs", vec!["dcs"]),
        ("members", vec!["members"]),
        ("workers", vec!["workers"]),
        ("groups", vec!["groups"]),
        ("group transfer", vec!["group", "transfer", &open, "--to", "g1"]),
        ("group snapshot", vec!["group", "snapshot", &open]),
        ("node drain", vec!["node", "drain", "dc1-w1"]),
        ("node undrain", vec!["node", "undrain", "dc1-w1"]),
        ("top", vec!["top", "--count", "2", "--every", "100ms"]),
        ("wal inspect", vec!["wal", "inspect", &log]),
        ("completions", vec!["completions", "bash"]),
        ("version", vec!["version"]),
        ("cancel", vec!["cancel", &open, "--wait"]),
        ("delete", vec!["delete", &done, "--yes"]),
    ];
    for (_, args) in walk {
        muster.json(args);
    }
    assert!(muster.json(&["groups", "--job", &open])["replicas"].is_array());
    // Not among them: `dev` runs a cluster (see `program`), `node remove` needs a dead one.
    let refused = muster.run(&["node", "remove", "g1", "--yes", "-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&refused.err).unwrap()["code"], "member_alive");
    // The log of a node that runs may end in the middle of a record: only the form of the answer is checked.
    let verified = muster.run(&["wal", "verify", &log, "-o", "json"]);
    assert!(serde_json::from_str::<Value>(&verified.out).unwrap()["segments"].is_number());
    let walked: BTreeSet<&str> =
        walk.iter().map(|(name, _)| *name).chain(["dev", "node remove", "wal verify"]).collect();
    let all = muster_cli::subcommands();
    assert_eq!(all.iter().map(String::as_str).collect::<BTreeSet<_>>(), walked);
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "one row a case")]
async fn every_exit_code_is_the_one_of_the_contract() {
    let _turn = turn().await;
    let (_cluster, muster) = start().await;
    let code = |args: &[&str]| {
        let said = muster.run(args);
        (said.code, said.err)
    };
    let expect = |wanted: i32, args: &[&str]| {
        let (got, err) = code(args);
        assert_eq!(got, wanted, "{args:?}: {err}");
    };
    expect(0, &["version"]);
    expect(1, &["init", "/proc/none.toml"]);
    expect(2, &["no-such-command"]);
    expect(2, &["validate", &muster.file("bad.toml", "name = 'bad name'")]);
    expect(3, &["status", NOWHERE]);
    let (one, other) =
        (muster.file("one.toml", &job("one", "", "true")), muster.file("two.toml", &job("two", "", "true")));
    expect(0, &["submit", &one, "--key", "k"]);
    expect(4, &["submit", &other, "--key", "k"]);
    expect(5, &["--token", "wrong", "list"]);
    expect(5, &["--token", "see", "submit", &one]);
    expect(6, &["--gate", "http://127.0.0.1:9", "--timeout", "1s", "list"]);
    let busy = muster.submit(&job("busy", "", "sleep 60"));
    muster.json(&["explain", &busy]);
    expect(7, &["--timeout", "1s", "node", "drain", "g1", "--wait"]);
    expect(0, &["node", "undrain", "g1"]);
    expect(0, &["cancel", &busy, "--wait"]);

    let follow = |name: &str, more: &str, command: &str| {
        let file = muster.file(name, &job(name, more, command));
        code(&["submit", "-f", &file])
    };
    assert_eq!(follow("completed", "", "true").0, 0);
    assert_eq!(follow("failed", "", "exit 3").0, 10);
    assert_eq!(follow("timed-out", "timeout = \"1s\"", "sleep 60").0, 12);
    let partial = "name = 'partial'\non_workflow_failure = 'continue'\n[[workflows]]\nname = 'a'\ncommand = ['true']\n\
                   [[workflows]]\nname = 'b'\ncommand = ['false']\n";
    assert_eq!(code(&["submit", "-f", &muster.file("partial.toml", partial)]).0, 13);

    let cancelled = muster.submit(&job("cancelled", "", "sleep 60"));
    expect(0, &["cancel", &cancelled, "--wait"]);
    expect(4, &["cancel", &cancelled]);
    expect(11, &["watch", &cancelled]);

    // One of two workflows: done when nothing of it runs, while the job goes on.
    let two = "name = 'two'\n[[workflows]]\nname = 'a'\ngrace = '1s'\ncommand = ['sh', '-c', 'trap \"\" TERM; sleep 60']\n\
               [[workflows]]\nname = 'b'\ncommand = ['sleep', '60']\n";
    let two = muster.submit(two);
    let said = muster.json(&["cancel", &two, "--workflow", "a", "--wait"]);
    let goes_on = ["submitted", "dispatching", "running"].iter().any(|status| said["status"] == *status);
    assert!(goes_on && said["workflows"]["a"] == "cancelled", "{said}");
    expect(0, &["cancel", &two, "--wait"]);

    let lasting = muster.submit(&job("lasting", "", "sleep 60"));
    let mut watching =
        muster.command(&["watch", &lasting, "-o", "json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0];
    std::io::Read::read_exact(watching.stdout.as_mut().unwrap(), &mut first).unwrap();
    kill(Pid::from_raw(watching.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(watching.wait().unwrap().code(), Some(130));
    assert_eq!(muster.json(&["status", &lasting])["finished_at"], Value::Null);
    tokio::time::timeout(Duration::from_secs(60), async { expect(0, &["cancel", &lasting, "--wait"]) })
        .await
        .unwrap();
}

//! A disk that damages one job's records in one manager's log.

use std::path::PathBuf;
use std::process::Command;

use muster_tests::cluster::Role;
use muster_tests::process::program;
use muster_tests::{Cluster, Topology, eventually};
use muster_wire::api::{GroupView, JobView, Submitted};
use muster_wire::job::JobStatus;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::turn;

const ALONE: Topology = Topology { gates: 0, dcs: 1, managers: 3, workers: 2, cores: 4 };
/// Stands in one job's records only, not in the directory's.
const MARK: &str = "the-mark-4711";

async fn submit(cluster: &Cluster, name: &str, says: &str) -> String {
    let go = cluster.data_dir("go").display().to_string();
    let text = format!(
        "name = '{name}'\n[[workflows]]\nname = 'a'\ncommand = ['sh', '-c', 'echo {says}; while [ ! -e {go} ]; do sleep 0.1; done']\n"
    );
    let (status, body) =
        cluster.send(Method::POST, ("dc1-m1", "/v1/jobs"), ("application/toml", &text)).await.unwrap();
    assert_eq!(status, StatusCode::CREATED, "{body}");
    serde_json::from_str::<Submitted>(&body).unwrap().id.to_string()
}

async fn group(cluster: &Cluster, node: &str, job: &str) -> Result<GroupView, String> {
    let text = cluster.get(node, &format!("/v1/groups/{job}")).await.map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
}

async fn view(cluster: &Cluster, node: &str, job: &str) -> Result<JobView, String> {
    let text = cluster.get(node, &format!("/v1/jobs/{job}")).await.map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
}

async fn running(cluster: &Cluster, job: &str) {
    eventually("a running shard everywhere", || async {
        for node in cluster.names(Role::Manager) {
            let view = view(cluster, &node, job).await?;
            let running: u32 = view.workflows.iter().map(|workflow| workflow.shards.running).sum();
            if running == 0 {
                return Err(format!("{node}: {:?}", view.workflows));
            }
        }
        Ok(())
    })
    .await
    .unwrap();
}

fn segments(cluster: &Cluster, node: &str) -> Vec<PathBuf> {
    let names = std::fs::read_dir(cluster.data_dir(node).join("wal")).unwrap();
    let paths = names.map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "seg")).collect();
    paths.sort();
    paths
}

/// Flips a bit of the last record that holds the mark: the job's own. The directory's, which holds it too, stands before it.
fn damage(cluster: &Cluster, node: &str) -> bool {
    segments(cluster, node).iter().rev().any(|path| {
        let mut bytes = std::fs::read(path).unwrap();
        let place = bytes.windows(MARK.len()).rposition(|at| at == MARK.as_bytes());
        place.is_some_and(|at| {
            bytes[at] ^= 1;
            std::fs::write(path, bytes).is_ok()
        })
    })
}

/// The victim serves the job again, and its leader has three voters and nobody else.
async fn renewed(cluster: &Cluster, (victim, leader): (&str, &str), (job, before): (&str, u64)) {
    eventually("the replica is renewed", || async {
        let (here, whole) = (group(cluster, victim, job).await?, group(cluster, leader, job).await?);
        let states: Vec<&str> = whole.replicas.iter().map(|replica| replica.state.as_str()).collect();
        match (here.state.as_str(), here.replica_set_index > before, states.as_slice()) {
            ("awake", true, ["voter", "voter", "voter"]) => Ok(()),
            _ => Err(format!("{here:?} {whole:?}")),
        }
    })
    .await
    .unwrap();
}

async fn ended(cluster: &Cluster, node: &str, job: &str) -> JobView {
    eventually("the end of the job", || async {
        let view = view(cluster, node, job).await?;
        if view.status.is_terminal() { Ok(view) } else { Err(format!("{:?}", view.workflows)) }
    })
    .await
    .unwrap()
}

/// `muster wal …` on a node's data directory: its exit code and what it says.
fn wal(cluster: &Cluster, node: &str, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(program());
    command.args(["muster", "wal"]).args(arguments).arg(cluster.data_dir(node));
    let output = command.output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn json(cluster: &Cluster, node: &str, command: &str) -> (i32, Value) {
    let (code, text) = wal(cluster, node, &["-o", "json", command]);
    (code, serde_json::from_str(&text).unwrap())
}

/// Both commands name the damage, for people and for programs, and change nothing.
fn assert_named(cluster: &Cluster, node: &str, group_id: u64) {
    let before: Vec<Vec<u8>> =
        segments(cluster, node).iter().map(|path| std::fs::read(path).unwrap()).collect();
    let (code, text) = wal(cluster, node, &["verify"]);
    assert!(
        code == 1 && text.contains(&format!("damaged: group {group_id} incarnation 0, indexes")),
        "{text}"
    );
    let (code, summary) = json(cluster, node, "verify");
    assert_eq!((code, &summary["sound"]), (1, &Value::Bool(false)));
    let (code, report) = json(cluster, node, "inspect");
    assert_eq!(code, 0);
    for found in [&summary["damage"], &report["damage"]] {
        assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
        assert_eq!((&found[0]["group"], &found[0]["incarnation"]), (&group_id.into(), &0.into()));
        assert!(found[0]["segment"].as_u64() >= Some(1) && found[0]["offset"].as_u64() > Some(0), "{found}");
        assert!(found[0]["first"].as_u64() <= found[0]["last"].as_u64(), "{found}");
    }
    let after: Vec<Vec<u8>> =
        segments(cluster, node).iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(before == after, "looking at a log changed it");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_one_job_is_named_its_replica_is_renewed_and_the_job_survives() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(ALONE).await.unwrap();
    let (hurt, sound) = (submit(&cluster, "hurt", MARK).await, submit(&cluster, "sound", "hello").await);
    running(&cluster, &hurt).await;
    running(&cluster, &sound).await;
    let leader = cluster.leader(Role::Manager, &hurt).await.unwrap();
    let victim = cluster.names(Role::Manager).into_iter().find(|name| *name != leader).unwrap();
    let before = group(&cluster, &victim, &hurt).await.unwrap();

    cluster.kill(&victim).unwrap();
    assert_eq!(wal(&cluster, &victim, &["verify"]).0, 0);
    assert!(damage(&cluster, &victim));
    assert_named(&cluster, &victim, before.group_id);

    cluster.spawn(&victim).unwrap();
    cluster.ready(&victim).await.unwrap();
    assert!(view(&cluster, &victim, &sound).await.is_ok());
    let log = cluster.node(&victim).unwrap().output();
    assert!(log.contains("acknowledged records of a group are damaged"), "{log}");
    renewed(&cluster, (&victim, &leader), (&hurt, before.replica_set_index)).await;

    // What the others acknowledged is there, and it votes: without it there is no majority.
    cluster.kill(&leader).unwrap();
    std::fs::write(cluster.data_dir("go"), b"").unwrap();
    for job in [&hurt, &sound] {
        assert_eq!(ended(&cluster, &victim, job).await.status, JobStatus::Completed);
    }
}

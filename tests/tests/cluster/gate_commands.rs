//! Every one of the gates' twenty commands is proposed by real code on the path of a real job.

use std::collections::BTreeSet;
use std::time::Duration;

use muster_client::Submission;
use muster_tests::cluster::Role;
use muster_tests::{Cluster, Topology, eventually};
use muster_wire::api::CallbackRequest;
use muster_wire::job::JobStatus;
use nix::sys::signal::Signal;

use crate::support::turn;

const COMMANDS: [&str; 20] = [
    "set_job",
    "delete_job",
    "set_target_dcs",
    "add_target_dc",
    "set_dc_result",
    "set_callback",
    "remove_callback",
    "set_fence_token",
    "cleanup_old_jobs",
    "assume_gate_leadership",
    "takeover_gate_leadership",
    "release_gate_leadership",
    "process_leadership_claim",
    "update_dc_manager",
    "release_dc_managers",
    "create_lease",
    "release_lease",
    "set_job_submission",
    "set_workflow_dc_result",
    "gate_membership_event",
];

fn job(name: &str, more: &str, seconds: u32) -> String {
    format!("name = '{name}'\n{more}\n[[workflows]]\nname = 'a'\ncommand = ['sleep', '{seconds}']\n")
}

async fn submit(cluster: &Cluster, text: &str) -> String {
    cluster.submit(text).await.unwrap()
}

async fn ends(cluster: &Cluster, id: &str, status: JobStatus) {
    let job = cluster.finished(id, Duration::from_secs(120)).await.unwrap();
    assert_eq!(job.status, status, "{job:#?}");
}

/// How often a command was applied at the gates that run now.
async fn count(cluster: &Cluster, command: &str) -> f64 {
    let labels = format!("command=\"{command}\",outcome=\"applied\"");
    cluster.metric(&[Role::Gate], "muster_commands_applied_total", &labels).await
}

/// The commands that were seen applied. A gate that starts again counts from nought, so before one stops it is asked.
#[derive(Default)]
struct Seen(BTreeSet<&'static str>);

impl Seen {
    async fn look(&mut self, cluster: &Cluster) {
        for command in COMMANDS {
            if count(cluster, command).await > 0.0 {
                self.0.insert(command);
            }
        }
    }
}

/// Applied at least once at some gate that runs now.
async fn applied(cluster: &Cluster, command: &str) {
    eventually(&format!("{command} to be applied"), || async {
        match count(cluster, command).await > 0.0 {
            true => Ok(()),
            false => Err("never".to_owned()),
        }
    })
    .await
    .unwrap();
}

/// Gates stop, one after the other, until a successor has claimed a job that was handed to it. A successor that comes too
/// late is passed over by whoever is elected instead, which is right as well, and no claim.
async fn hands_over(cluster: &mut Cluster, seen: &mut Seen) {
    for round in 0..6 {
        let moving = submit(cluster, &job(&format!("moving-{round}"), "", 5)).await;
        let leader = cluster.leader(Role::Gate, &moving).await.unwrap();
        seen.look(cluster).await;
        let process = cluster.node(&leader).unwrap();
        process.signal(Signal::SIGTERM).unwrap();
        process.exit(Duration::from_secs(30)).await.unwrap();
        ends(cluster, &moving, JobStatus::Completed).await;
        seen.look(cluster).await;
        cluster.kill(&leader).unwrap();
        cluster.start_all().await.unwrap();
        if seen.0.contains("process_leadership_claim") {
            return;
        }
    }
    panic!("no successor of six claimed its job");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_gates_is_applied_on_the_path_of_a_real_job() {
    let _turn = turn().await;
    let mut cluster =
        Cluster::prepare(Topology { gates: 3, dcs: 2, managers: 1, workers: 1, cores: 4 }).unwrap();
    let mut seen = Seen::default();
    cluster.set("gate.dc_lost_timeout", "3s");
    cluster.start_all().await.unwrap();
    let client = cluster.client().unwrap();

    // An imported job with a webhook that its owner removes; deleted once it has ended.
    let body = job("imported", "", 0).into_bytes();
    let submission = Submission { body, content_type: "application/toml", key: None };
    let imported = client.import(submission, 9).await.unwrap().0.id.to_string();
    let hook = CallbackRequest { url: "http://127.0.0.1:9/hook".into(), ..CallbackRequest::default() };
    client.callback_add(&imported, &hook).await.unwrap();
    client.callback_remove(&imported, &hook.url).await.unwrap();
    ends(&cluster, &imported, JobStatus::Completed).await;
    assert!(client.job(&imported).await.unwrap().token >= 10);
    client.delete(&imported).await.unwrap();

    // A job that is purged by time, and a gate that hands its job over and stops.
    let brief = submit(&cluster, &job("brief", "retention = '1s'", 0)).await;
    ends(&cluster, &brief, JobStatus::Completed).await;
    hands_over(&mut cluster, &mut seen).await;

    // A gate that dies, and a datacenter that is lost.
    let lasting =
        submit(&cluster, &job("lasting", "datacenters = ['dc1', 'dc2']\non_dc_lost = 'failover'", 20)).await;
    cluster.running_shards(&lasting, 1).await.unwrap();
    let leader = cluster.leader(Role::Gate, &lasting).await.unwrap();
    seen.look(&cluster).await;
    cluster.kill(&leader).unwrap();
    cluster.kill("dc1-m1").unwrap();
    ends(&cluster, &lasting, JobStatus::Completed).await;
    let view = client.job(&lasting).await.unwrap();
    assert_eq!(view.target_datacenters, ["dc2"]);

    for command in COMMANDS.iter().filter(|command| !seen.0.contains(*command)) {
        applied(&cluster, command).await;
    }
}

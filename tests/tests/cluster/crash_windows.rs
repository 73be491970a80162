//! The process that takes a step dies right after it. A retry at the same gate, at another gate, or none at all ends with
//! one job, or none that anybody heard of, never with a dead key.

use std::time::Duration;

use muster_client::{Client, ClientOptions, Submission};
use muster_tests::cluster::Role;
use muster_tests::{Cluster, Topology, eventually};
use muster_wire::job::JobStatus;

use crate::support::turn;

/// Steps of a job's life at a gate, in order. Its registration is the first: the directory has what it begins with.
const GATE_POINTS: [&str; 5] =
    ["job.registered", "gate.accepted", "gate.leased", "gate.submitted", "gate.dc_known"];
/// Steps at a manager.
const MANAGER_POINTS: [&str; 5] =
    ["job.registered", "manager.created", "manager.reserved", "manager.assigned", "manager.started"];

/// At the directory's leader: an entry is committed, and whoever proposed it has no answer yet.
const DIRECTORY_POINT: &str = "directory.committed";

/// How long a gate may take for a step before it is asked again.
const STEP: Duration = Duration::from_secs(1);
const STEP_TRIES: usize = 30;

const JOB: &str = "name='window'\n[[workflows]]\nname='a'\ncommand=['true']\n";

/// A job that is named after its key.
fn submission(key: &str) -> Submission {
    let body = JOB.replace("window", &name_of(key));
    Submission { body: body.into(), content_type: "application/toml", key: Some(key.into()) }
}

fn name_of(key: &str) -> String {
    key.to_lowercase().replace(['.', '_'], "-")
}

/// A client that asks once and does not wait for long.
fn hasty(cluster: &Cluster, gate: &str) -> Client {
    let gates = vec![format!("http://{}", cluster.plan(gate).unwrap().http())];
    Client::new(ClientOptions { gates, token: None, deadline: Duration::from_millis(1) }).unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Retry {
    SameGate,
    OtherGate,
    None,
}

/// A step, and a way to go on after it.
struct Window {
    point: &'static str,
    retry: Retry,
}

impl Window {
    fn key(&self) -> String {
        format!("{}-{:?}", self.point, self.retry)
    }

    /// Where the client asks again, if it does.
    fn gate(&self) -> Option<&'static str> {
        match self.retry {
            Retry::SameGate => Some("g1"),
            Retry::OtherGate => Some("g2"),
            Retry::None => None,
        }
    }

    async fn play(&self, cluster: &mut Cluster) {
        self.crash(cluster).await;
        if self.retry == Retry::SameGate {
            cluster.spawn("g1").unwrap();
            cluster.ready("g1").await.unwrap();
        }
        if let Some(gate) = self.gate() {
            ends_once(cluster, gate, &self.key()).await;
        }
        cluster.start_all().await.unwrap();
        every_job_ends(cluster, Some(&self.key())).await;
    }

    /// g1 takes the step and dies. It may refuse a first try when it has just started.
    async fn crash(&self, cluster: &mut Cluster) {
        cluster.arm("g1", self.point).unwrap();
        let client = hasty(cluster, "g1");
        for _ in 0..STEP_TRIES {
            let _answer = client.submit(submission(&self.key())).await;
            if cluster.node("g1").unwrap().exit(STEP).await.is_ok() {
                break;
            }
        }
        let died = cluster.died("g1").await;
        died.unwrap_or_else(|error| panic!("{}: {error}", self.point));
    }
}

/// A retry under the key makes, or finds, a job that completes.
async fn ends_once(cluster: &Cluster, gate: &str, key: &str) {
    let client = cluster.client_of(&[gate.to_owned()]).unwrap();
    let (submitted, _) = client.submit(submission(key)).await.unwrap();
    let view = cluster.finished(&submitted.id.to_string(), Duration::from_secs(60)).await.unwrap();
    assert_eq!(view.status, JobStatus::Completed, "{key}");
    let (again, _) = client.submit(submission(key)).await.unwrap();
    assert_eq!(again.id, submitted.id, "{key}");
}

/// Every job of the cluster ends, and the one of this key is there.
async fn every_job_ends(cluster: &Cluster, key: Option<&str>) {
    let client = cluster.client().unwrap();
    eventually("every job to have ended", || async {
        let list =
            client.jobs(muster_client::ListQuery::default()).await.map_err(|error| error.to_string())?;
        let open = list.items.iter().filter(|item| !item.status.is_terminal());
        let open: Vec<String> = open.map(|item| item.id.to_string()).collect();
        let missing = key.filter(|key| list.items.iter().all(|item| item.name != name_of(key)));
        match (open.first(), missing) {
            (None, None) => Ok(()),
            (None, Some(key)) => Err(format!("no job of {key}")),
            (Some(id), _) => Err(format!("{:?} {:?}", client.job(id).await, client.explain(id).await)),
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_dies_after_any_step_leaves_one_job_or_none() {
    let _turn = turn().await;
    let mut cluster = Cluster::prepare(Topology::HA).unwrap();
    cluster.set("groups.register_timeout", "5s");
    cluster.start_all().await.unwrap();
    for point in GATE_POINTS {
        for retry in [Retry::SameGate, Retry::OtherGate, Retry::None] {
            Window { point, retry }.play(&mut cluster).await;
        }
    }
    let roles = [Role::Gate, Role::Manager];
    assert!(cluster.metric(&roles, "muster_task_panics_total", "").await == 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_leader_that_dies_between_commit_and_answer_leaves_one_job_or_none() {
    let _turn = turn().await;
    let mut cluster = Cluster::prepare(Topology::HA).unwrap();
    cluster.set("groups.register_timeout", "5s");
    cluster.start_all().await.unwrap();
    for retry in [Retry::SameGate, Retry::OtherGate, Retry::None] {
        let leader = cluster.directory_leader(Role::Gate).await.unwrap();
        let mut others = cluster.names(Role::Gate).into_iter().filter(|name| *name != leader);
        let (asked, other) = (others.next().unwrap(), others.next().unwrap());
        cluster.arm(&leader, DIRECTORY_POINT).unwrap();
        let key = format!("directory-{retry:?}");
        let _answer = hasty(&cluster, &asked).submit(submission(&key)).await;
        cluster.died(&leader).await.unwrap();
        match retry {
            Retry::SameGate => ends_once(&cluster, &asked, &key).await,
            Retry::OtherGate => ends_once(&cluster, &other, &key).await,
            Retry::None => {}
        }
        cluster.start_all().await.unwrap();
        every_job_ends(&cluster, Some(key.as_str()).filter(|_| retry != Retry::None)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_directory_leader_that_dies_between_commit_and_answer_delays_the_job_and_no_more() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(Topology::HA).await.unwrap();
    let leader = cluster.directory_leader(Role::Manager).await.unwrap();
    cluster.arm(&leader, DIRECTORY_POINT).unwrap();
    let job = cluster.submit(JOB).await.unwrap();
    cluster.died(&leader).await.unwrap();
    let view = cluster.finished(&job, Duration::from_secs(60)).await.unwrap();
    assert_eq!(view.status, JobStatus::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_dies_after_any_step_delays_the_job_and_no_more() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(Topology::HA).await.unwrap();
    for point in MANAGER_POINTS {
        for manager in cluster.names(Role::Manager) {
            cluster.kill(&manager).unwrap();
            cluster.spawn_with(&manager, &[("MUSTER_CRASH_AT", point)]).unwrap();
            cluster.ready(&manager).await.unwrap();
        }
        let job = cluster.submit(JOB).await.unwrap();
        let died = first_death(&mut cluster).await;
        cluster.kill(&died).unwrap();
        for manager in cluster.names(Role::Manager) {
            let _gone = cluster.kill(&manager);
            cluster.spawn(&manager).unwrap();
        }
        cluster.start_all().await.unwrap();
        let view = cluster.finished(&job, Duration::from_secs(90)).await.unwrap();
        assert_eq!(view.status, JobStatus::Completed, "{point}");
    }
}

async fn first_death(cluster: &mut Cluster) -> String {
    for _ in 0..600 {
        for manager in cluster.names(Role::Manager) {
            if cluster.node(&manager).unwrap().exit(Duration::ZERO).await.is_ok() {
                return manager;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no manager reached its crash point");
}

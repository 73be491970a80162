//! A datacenter without gates: its managers serve a job's whole life, and its workers drain and die.

use muster_tests::{Cluster, Topology, eventually};
use muster_wire::api::{
    ContextView, ContextWritten, Explanation, JobResults, JobView, Page, StatsWindowView, Submitted,
    WorkerView,
};
use muster_wire::job::{JobStatus, WorkflowStatus};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;

use crate::support::turn;

const ALONE: Topology = Topology { gates: 0, dcs: 1, managers: 3, workers: 2, cores: 4 };

/// The first workflow waits for a file; the second uses what a client sets meanwhile.
const JOB: &str = r#"name = "alone"
retention = "10m"
[[workflows]]
name = "tell"
replicas = 2
command = ["sh", "-c", '''
echo "shard $MUSTER_SHARD is there"
for n in 1 2 3; do echo "::muster {\"stats\": {\"rows\": $n}}"; done
while [ ! -e @go@ ]; do sleep 0.1; done
echo "::muster {\"output\": {\"rows\": 6}}"
''']
[[workflows]]
name = "use"
depends_on = ["tell"]
command = ["sh", "-c", "echo the mode is {{context.mode}}; test {{context.mode}} = fast"]
"#;

async fn get<T: DeserializeOwned>(cluster: &Cluster, node: &str, path: &str) -> T {
    let text = cluster.get(node, path).await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
}

async fn submit(cluster: &Cluster, node: &str, text: &str) -> String {
    let (status, body) =
        cluster.send(Method::POST, (node, "/v1/jobs"), ("application/toml", text)).await.unwrap();
    assert_eq!(status, StatusCode::CREATED, "{body}");
    serde_json::from_str::<Submitted>(&body).unwrap().id.to_string()
}

async fn ended(cluster: &Cluster, node: &str, job: &str) -> JobView {
    eventually(&format!("the end of {job}"), || async {
        let view: JobView = get(cluster, node, &format!("/v1/jobs/{job}")).await;
        if view.status.is_terminal() { Ok(view) } else { Err(format!("{:?}", view.workflows)) }
    })
    .await
    .unwrap()
}

async fn running(cluster: &Cluster, node: &str, (job, wanted): (&str, u32)) {
    eventually(&format!("{wanted} running shards of {job}"), || async {
        let view: JobView = get(cluster, node, &format!("/v1/jobs/{job}")).await;
        let running: u32 = view.workflows.iter().map(|workflow| workflow.shards.running).sum();
        if running >= wanted { Ok(()) } else { Err(format!("{:?}", view.workflows)) }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn managers_alone_serve_context_explanations_numbers_logs_results_and_events() {
    let _turn = turn().await;
    let cluster = Cluster::start(ALONE).await.unwrap();
    let go = cluster.data_dir("go");
    let job = submit(&cluster, "dc1-m1", &JOB.replace("@go@", &go.display().to_string())).await;
    running(&cluster, "dc1-m2", (&job, 2)).await;

    // Another manager than the one that took it; `use` waits for `tell`.
    let why: Explanation = get(&cluster, "dc1-m2", &format!("/v1/jobs/{job}/explain")).await;
    let causes: Vec<_> = why.waits.iter().map(|wait| (wait.subject.as_str(), wait.cause.as_str())).collect();
    assert!(causes.contains(&("use", "dependency")), "{why:?}");
    assert!(causes.iter().any(|(_, cause)| *cause == "running"), "{why:?}");

    let key = format!("/v1/jobs/{job}/context/mode");
    let write = |version: &'static str, value: &'static str| {
        cluster.send_if(Method::PUT, ("dc1-m3", &key), (version, value))
    };
    let (status, body) = write("0", "\"slow\"").await.unwrap();
    assert_eq!(status, StatusCode::OK, "{body}");
    let (status, body) = write("0", "\"lost\"").await.unwrap();
    assert_eq!(status, StatusCode::CONFLICT, "{body}");
    let (_, body) = write("1", "\"fast\"").await.unwrap();
    let written: ContextWritten = serde_json::from_str(&body).unwrap();
    assert_eq!((written.version, written.previous), (2, Some("slow".into())));
    let context: ContextView = get(&cluster, "dc1-m1", &format!("/v1/jobs/{job}/context")).await;
    assert_eq!((context.version, &context.values["mode"]), (2, &"fast".into()));

    std::fs::write(&go, b"").unwrap();
    let view = ended(&cluster, "dc1-m3", &job).await;
    assert_eq!(view.status, JobStatus::Completed, "{view:#?}");
    let results: JobResults = get(&cluster, "dc1-m2", &format!("/v1/jobs/{job}/results")).await;
    let shards = &results.datacenters["dc1"].workflows["tell"].shards;
    assert!(shards.len() == 2 && shards.iter().all(|shard| shard.outputs["rows"] == 6), "{results:?}");

    // Every sample of both shards, in whichever windows.
    let stats: Page<StatsWindowView> =
        get(&cluster, "dc1-m1", &format!("/v1/jobs/{job}/stats?workflow=tell")).await;
    let sum: f64 = stats.items.iter().map(|window| window.counters["rows"].sum).sum();
    let count: u64 = stats.items.iter().map(|window| window.distributions["rows"].count).sum();
    assert_eq!((sum, count), (12.0, 6), "{stats:?}");

    let log = cluster.get("dc1-m3", &format!("/v1/jobs/{job}/logs?workflow=use")).await.unwrap();
    assert_eq!(log, "the mode is fast\n");
    let events = cluster.get("dc1-m2", &format!("/v1/jobs/{job}/events")).await.unwrap();
    assert!(events.contains("event: end"), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn managers_alone_let_clients_wait_for_changes_and_delete_what_has_ended() {
    let _turn = turn().await;
    let cluster = Cluster::start(ALONE).await.unwrap();
    let go = cluster.data_dir("go").display().to_string();
    let job = submit(&cluster, "dc1-m1", &waits("waited", &go)).await;
    running(&cluster, "dc1-m2", (&job, 4)).await;
    let path = format!("/v1/jobs/{job}");
    let delete = |node: &'static str| cluster.send(Method::DELETE, (node, &path), ("", ""));
    let (status, body) = delete("dc1-m2").await.unwrap();
    assert_eq!(status, StatusCode::CONFLICT, "{body}");

    let now: JobView = get(&cluster, "dc1-m3", &path).await;
    let waiting = format!("{path}?wait=60s&version={}", now.version);
    let waiting = get::<JobView>(&cluster, "dc1-m3", &waiting);
    let (changed, ()) = tokio::join!(waiting, async { std::fs::write(&go, b"").unwrap() });
    assert!(changed.version > now.version, "{changed:#?}");

    assert_eq!(ended(&cluster, "dc1-m3", &job).await.status, JobStatus::Completed);
    assert_eq!(delete("dc1-m3").await.unwrap().0, StatusCode::NO_CONTENT);
    eventually("the job to be gone at every manager", || async {
        let mut left = Vec::new();
        for node in ["dc1-m1", "dc1-m2", "dc1-m3"] {
            let (status, _) = cluster.send(Method::GET, (node, &path), ("", "")).await.unwrap();
            left.extend((status != StatusCode::NOT_FOUND).then_some((node, status)));
        }
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_workflow_takes_its_dependents_with_it_and_leaves_the_others() {
    let _turn = turn().await;
    let cluster = Cluster::start(ALONE).await.unwrap();
    let text = r#"name = "partly"
retention = "10m"
on_workflow_failure = "continue"
[[workflows]]
name = "long"
grace = "1s"
command = ["sleep", "600"]
[[workflows]]
name = "after"
depends_on = ["long"]
command = ["true"]
[[workflows]]
name = "other"
command = ["sleep", "3"]
"#;
    let job = submit(&cluster, "dc1-m2", text).await;
    running(&cluster, "dc1-m2", (&job, 2)).await;
    let path = format!("/v1/jobs/{job}/cancel");
    let cancel = ("application/json", r#"{"reason": "not needed", "workflows": ["long"]}"#);
    let (status, body) = cluster.send(Method::POST, ("dc1-m1", &path), cancel).await.unwrap();
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let view = ended(&cluster, "dc1-m1", &job).await;
    let status = |name: &str| view.workflows.iter().find(|workflow| workflow.name == name).unwrap().status;
    assert_eq!(status("long"), WorkflowStatus::Cancelled, "{view:#?}");
    assert_eq!(status("after"), WorkflowStatus::Cancelled);
    assert!(status("other").is_success());
}

/// A job of four shards that wait for a file.
fn waits(name: &str, go: &str) -> String {
    let script = format!("while [ ! -e {go} ]; do sleep 0.1; done");
    let head = format!("name = '{name}'\nretention = '10m'\n[[workflows]]\nname = 'wait'\nreplicas = 4\n");
    format!("{head}command = ['sh', '-c', '{script}']\n")
}

async fn worker(cluster: &Cluster, name: &str) -> WorkerView {
    let page: Page<WorkerView> = get(cluster, "dc1-m1", "/v1/workers").await;
    page.items.into_iter().find(|worker| worker.name == name).unwrap()
}

async fn until_state(cluster: &Cluster, name: &str, wanted: &str) {
    eventually(&format!("{name} to be {wanted}"), || async {
        let state = worker(cluster, name).await.state;
        if state == wanted { Ok(()) } else { Err(state) }
    })
    .await
    .unwrap();
}

/// Processes whose command line holds a text.
fn processes_with(text: &str) -> usize {
    let folders = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = folders.filter_map(|folder| std::fs::read_to_string(folder.path().join("cmdline")).ok());
    lines.filter(|line| line.contains(text)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_worker_ends_what_it_has_takes_nothing_new_and_remembers_it_and_a_killed_one_leaves_no_process()
 {
    let _turn = turn().await;
    let mut cluster = Cluster::start(ALONE).await.unwrap();
    let go = cluster.data_dir("go").display().to_string();
    let first = submit(&cluster, "dc1-m1", &waits("first", &go)).await;
    running(&cluster, "dc1-m1", (&first, 4)).await;
    assert_eq!(worker(&cluster, "dc1-w1").await.cores.used, 2, "shards are spread over the workers");

    let drain = |word: &str| format!("/v1/workers/dc1-w1/{word}");
    let (status, body) = cluster.send(Method::POST, ("dc1-m2", &drain("drain")), ("", "")).await.unwrap();
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    until_state(&cluster, "dc1-w1", "draining").await;
    std::fs::write(&go, b"").unwrap();
    assert_eq!(ended(&cluster, "dc1-m1", &first).await.status, JobStatus::Completed);
    until_state(&cluster, "dc1-w1", "drained").await;
    cluster.kill("dc1-w1").unwrap();
    cluster.start_all().await.unwrap();
    until_state(&cluster, "dc1-w1", "drained").await;

    let marker = cluster.data_dir("stop").display().to_string();
    let second = submit(&cluster, "dc1-m3", &waits("second", &marker)).await;
    running(&cluster, "dc1-m1", (&second, 4)).await;
    assert_eq!(worker(&cluster, "dc1-w1").await.cores.used, 0);
    assert_eq!(worker(&cluster, "dc1-w2").await.cores.used, 4);
    assert!(processes_with(&marker) >= 4);
    cluster.kill("dc1-w2").unwrap();
    eventually("no process of the killed worker", || async {
        let left = processes_with(&marker);
        if left == 0 { Ok(()) } else { Err(format!("{left} left")) }
    })
    .await
    .unwrap();

    // Nobody takes work now: the job says so, and goes on when somebody does.
    eventually("an explanation that names the workers", || async {
        let why: Explanation = get(&cluster, "dc1-m2", &format!("/v1/jobs/{second}/explain")).await;
        match why.waits.iter().any(|wait| wait.cause == "workers") {
            true => Ok(()),
            false => Err(format!("{:?}", why.waits)),
        }
    })
    .await
    .unwrap();
    cluster.send(Method::POST, ("dc1-m1", &drain("undrain")), ("", "")).await.unwrap();
    running(&cluster, "dc1-m1", (&second, 4)).await;
    assert_eq!(worker(&cluster, "dc1-w1").await.cores.used, 4);
    std::fs::write(&marker, b"").unwrap();
    let view = ended(&cluster, "dc1-m1", &second).await;
    assert_eq!(view.status, JobStatus::Completed, "{view:#?}");
    assert!(view.workflows[0].attempts >= 8, "four attempts were lost with their worker: {view:#?}");
}

//! The HTTP contract at its edges.

use muster_tests::{Cluster, Topology};
use muster_wire::api::Problem;
use reqwest::StatusCode;

use crate::support::turn;

const FIVE_FAULTS: &str = "name = \"bad name!\"\ntimeout = \"soon\"\non_lots = \"retry\"\n[[workflows]]\nname = \"a\"\n\
command = [\"echo\", \"{{sharp}}\"]\n[[workflows]]\nname = \"b\"\ncommand = [\"true\"]\ndepends_on = [\"missing\"]\n";

async fn post(cluster: &Cluster, content_type: &str, body: Vec<u8>) -> (StatusCode, Problem) {
    let url = format!("http://{}/v1/jobs", cluster.plan("g1").unwrap().http());
    let answer = reqwest::Client::new()
        .post(url)
        .header("content-type", content_type)
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    (answer.status(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_a_problem_document_that_says_what_to_do() {
    let _turn = turn().await;
    let cluster = Cluster::start(Topology::SMALL).await.unwrap();

    let (status, problem) = post(&cluster, "application/toml", FIVE_FAULTS.into()).await;
    assert_eq!(
        (status.as_u16(), problem.code.as_str(), problem.errors.len()),
        (422, "invalid_spec", 5),
        "{problem:#?}"
    );
    assert!(problem.errors.iter().all(|fault| fault.line.is_some()));

    let (status, problem) = post(&cluster, "application/toml", vec![b'#'; 5 * 1024 * 1024]).await;
    assert_eq!((status.as_u16(), problem.retryable), (413, false));

    let (status, _) = post(&cluster, "image/png", vec![1]).await;
    assert_eq!(status.as_u16(), 415);

    for (path, code) in [("/v1/nothing", 404), ("/v1/jobs/01890000-0000-7000-8000-000000000000", 404)] {
        let url = format!("http://{}{path}", cluster.plan("g1").unwrap().http());
        let answer = reqwest::get(url).await.unwrap();
        assert_eq!(answer.status().as_u16(), code, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_answers_the_common_routes() {
    let _turn = turn().await;
    let cluster = Cluster::start(Topology::SMALL).await.unwrap();
    answers(&cluster, &["g1", "dc1-m1", "dc1-w1"], &["/livez", "/readyz", "/metrics", "/v1/node"]).await;
    answers(&cluster, &["g1", "dc1-m1"], &["/health", "/v1/members", "/v1/groups"]).await;
}

async fn answers(cluster: &Cluster, names: &[&str], paths: &[&str]) {
    for (name, path) in names.iter().flat_map(|name| paths.iter().map(move |path| (name, path))) {
        cluster.get(name, path).await.unwrap_or_else(|error| panic!("{name}{path}: {error}"));
    }
}

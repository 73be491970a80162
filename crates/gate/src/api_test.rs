//! Every route: described, served, and in its errors a problem document with a stable word.

use std::collections::BTreeSet;

use muster_node::openapi::{ApiRoute, BASIC, CLUSTER};
use muster_wire::api::Problem;

use super::testkit::*;
use crate::http::API;

const UNKNOWN: &str = "01890000-0000-7000-8000-000000000000";

fn routes() -> impl Iterator<Item = &'static ApiRoute> {
    BASIC.iter().chain(CLUSTER).chain(API)
}

fn path(route: &ApiRoute, id: &str) -> String {
    route.path.replace("{id}", id).replace("{job}", id).replace("{key}", "k")
}

/// Drains change the gate that the other requests ask.
fn is_safe(route: &ApiRoute) -> bool {
    !route.path.starts_with("/v1/node/")
}

fn check(what: &str, reply: &Reply) -> Option<Problem> {
    if reply.status < 400 || reply.header("content-type") == Some("text/plain; charset=utf-8") {
        return None;
    }
    assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{what}: {}", reply.body);
    let problem: Problem = reply.json();
    assert_eq!(problem.status, reply.status, "{what}");
    assert!(!problem.code.is_empty() && !problem.detail.is_empty(), "{what}: {}", reply.body);
    assert!(
        problem.code.chars().all(|sign| sign.is_ascii_lowercase() || sign == '_'),
        "{what}: {}",
        problem.code
    );
    Some(problem)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_served_and_its_errors_are_problem_documents_with_a_stable_word() {
    let dc = FakeDc::start("eu").await;
    let gate = gates(1, &[&dc]).await.remove(0);
    for route in routes().filter(|route| is_safe(route)) {
        for id in [UNKNOWN, "not an id", "zz"] {
            let target = path(route, &id.replace(' ', "%20"));
            let what = format!("{} {target}", route.method);
            let reply = ask(gate.http, &what, "content-type: application/json\r\n", "[1]").await;
            let problem = check(&what, &reply);
            let missing = problem.filter(|problem| {
                ["unknown_route", "method_not_allowed", "internal"].contains(&problem.code.as_str())
            });
            assert_eq!(missing, None, "{what}");
        }
        let what = format!("PATCH {}", path(route, UNKNOWN));
        let reply = ask(gate.http, &what, "", "").await;
        assert_eq!((reply.status, reply.code().as_str()), (405, "method_not_allowed"), "{what}");
        check(&what, &reply);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_queries_and_unknown_jobs_say_what_is_wrong() {
    let dc = FakeDc::start("eu").await;
    let gate = gates(1, &[&dc]).await.remove(0);
    let job = |rest: &str| format!("/v1/jobs/{UNKNOWN}{rest}");
    let wrong = [
        ("/v1/jobs?limit=0".to_owned(), 400, "malformed"),
        ("/v1/jobs?status=done".to_owned(), 400, "malformed"),
        ("/v1/members?limit=9999".to_owned(), 400, "malformed"),
        ("/v1/workers?datacenter=nowhere".to_owned(), 404, "unknown_datacenter"),
        (job("?consistency=maybe"), 400, "malformed"),
        (job(""), 404, "unknown_job"),
        (job("/results"), 404, "unknown_job"),
        (job("/events"), 404, "unknown_job"),
        (job("/stats"), 404, "unknown_job"),
        (job("/context"), 404, "unknown_job"),
        (job("/callbacks"), 404, "unknown_job"),
        (job("/explain"), 404, "unknown_job"),
        (format!("/v1/groups/{UNKNOWN}"), 404, "unknown_job"),
    ];
    for (path, status, code) in wrong {
        let reply = get(gate.http, &path).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_of_the_api_holds_every_route() {
    let dc = FakeDc::start("eu").await;
    let gate = gates(1, &[&dc]).await.remove(0);
    let document: serde_json::Value = get(gate.http, "/v1/openapi.json").await.json();
    for route in routes() {
        let operation = &document["paths"][route.path][route.method.to_lowercase()];
        assert!(operation["summary"].is_string(), "{} {}", route.method, route.path);
    }
    let paths: BTreeSet<&str> = routes().map(|route| route.path).collect();
    assert_eq!(document["paths"].as_object().unwrap().len(), paths.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_gate_cannot_be_removed_and_an_unknown_member_is_not_found() {
    let dc = FakeDc::start("eu").await;
    let gate = gates(1, &[&dc]).await.remove(0);
    let alive = ask(gate.http, "DELETE /v1/members/g1", "", "").await;
    assert_eq!((alive.status, alive.code().as_str()), (409, "member_alive"));
    let unknown = ask(gate.http, "DELETE /v1/members/g9", "", "").await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "unknown_member"));
    let drained = ask(gate.http, "POST /v1/node/drain", "", "").await;
    assert_eq!(drained.status, 202, "{}", drained.body);
    until(|| async { get(gate.http, "/v1/node").await.body.contains("\"draining\":\"done\"") }).await;
    assert_eq!(ask(gate.http, "POST /v1/members/g1/undrain", "", "").await.status, 202);
    until(|| async { get(gate.http, "/v1/node").await.body.contains("\"draining\":\"no\"") }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leadership_of_a_jobs_group_moves_to_the_named_gate_whatever_gate_is_asked() {
    let dc = FakeDc::start("eu").await;
    let gates = gates(3, &[&dc]).await;
    let text = "name = \"moved\"\n[[workflows]]\nname = \"a\"\ncommand = [\"true\"]\n";
    let job = gates[0].submit("k", text).await.json::<muster_wire::api::Submitted>().id;
    dc.submission(job, 1).await;
    let json = "content-type: application/json\r\n";
    let what = format!("POST /v1/groups/{job}/transfer");
    let moved = ask(gates[1].http, &what, json, "{\"to\":\"g3\"}").await;
    assert_eq!(moved.status, 202, "{}", moved.body);
    until(|| async { gates[2].node.gate.leads(job) }).await;
    dc.submission(job, 2).await;
    assert_eq!(gates[1].job(job).await.leader.as_deref(), Some("g3"));
    let nobody = ask(gates[1].http, &what, json, "{\"to\":\"g9\"}").await;
    assert_eq!((nobody.status, nobody.code().as_str()), (404, "unknown_member"));
    let shortened = ask(gates[0].http, &format!("POST /v1/groups/{job}/snapshot"), "", "").await;
    assert_eq!(shortened.status, 202, "{}", shortened.body);
}

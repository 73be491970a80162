//! `GET /v1/openapi.json`: the API of this node, from tables that stand beside the routes.

use axum::Router;
use axum::routing::get;
use serde_json::{Map, Value, json};

/// One route as the document describes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ApiRoute {
    /// In capitals.
    pub method: &'static str,
    /// With its parameters in braces.
    pub path: &'static str,
    /// The status of a success.
    pub success: u16,
    /// Parameters of the query, comma separated.
    pub query: &'static str,
    /// One sentence.
    pub summary: &'static str,
}

/// Declares routes: `"GET" "/v1/node" 200 "" "sentence",`.
#[macro_export]
macro_rules! api_routes {
    ($($method:literal $path:literal $success:literal $query:literal $summary:literal,)+) => {
        &[$($crate::openapi::ApiRoute {
            method: $method,
            path: $path,
            success: $success,
            query: $query,
            summary: $summary,
        },)+]
    };
}

/// On every process.
pub const BASIC: &[ApiRoute] = api_routes! {
    "GET" "/livez" 200 "" "Is the process alive?",
    "GET" "/readyz" 200 "verbose" "Does it serve? Every check by name with `verbose`.",
    "GET" "/health" 200 "" "How the node is, in figures.",
    "GET" "/metrics" 200 "" "Prometheus text.",
    "GET" "/v1/openapi.json" 200 "" "This document.",
    "GET" "/v1/node" 200 "" "Who the node is, and its effective configuration.",
};

/// On gates and managers.
pub const CLUSTER: &[ApiRoute] = api_routes! {
    "GET" "/v1/members" 200 "limit,cursor" "Members as the failure detector and the directory see them.",
    "DELETE" "/v1/members/{id}" 204 "" "Remove a member that is dead or drained.",
    "POST" "/v1/members/{id}/drain" 202 "" "Let a member give its groups away.",
    "POST" "/v1/members/{id}/undrain" 202 "" "Let a member take groups again.",
    "GET" "/v1/groups" 200 "limit,cursor" "Raft groups with a replica on this node.",
    "GET" "/v1/groups/{job}" 200 "" "One job's group.",
    "POST" "/v1/groups/{job}/transfer" 202 "" "Give the leadership of a job's group to another of its replicas.",
    "POST" "/v1/groups/{job}/snapshot" 202 "" "Build a snapshot of a job's group and shorten its log.",
    "POST" "/v1/node/drain" 202 "" "Let this node give its groups away.",
    "POST" "/v1/node/undrain" 202 "" "Let this node take groups again.",
    "PUT" "/v1/node/swim-profile" 200 "" "Change the failure detector's figures until the process ends: lan, default, wan or test.",
};

/// Serves the document of some tables.
pub(crate) fn routes(tables: &[&[ApiRoute]]) -> Router {
    let text = document(tables).to_string();
    let answer = move || {
        let text = text.clone();
        async move { ([("content-type", "application/json")], text) }
    };
    Router::new().route("/v1/openapi.json", get(answer))
}

/// The OpenAPI 3.1 document of some tables.
pub fn document(tables: &[&[ApiRoute]]) -> Value {
    let mut paths = Map::new();
    for route in tables.iter().copied().flatten() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "muster", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": { "schemas": { "Problem": problem() } },
    })
}

fn operation(route: &ApiRoute) -> Value {
    let mut responses = Map::new();
    responses.insert(route.success.to_string(), json!({ "description": "success" }));
    let problem = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
    let error = json!({ "description": "an error", "content": { "application/problem+json": problem } });
    responses.insert("default".into(), error);
    json!({ "summary": route.summary, "parameters": parameters(route), "responses": responses })
}

fn parameters(route: &ApiRoute) -> Vec<Value> {
    let text = json!({ "type": "string" });
    let in_path = route.path.split(['{', '}']).skip(1).step_by(2);
    let in_path = in_path.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": text }));
    let in_query = route.query.split(',').filter(|name| !name.is_empty());
    in_path.chain(in_query.map(|name| json!({ "name": name, "in": "query", "schema": text }))).collect()
}

fn problem() -> Value {
    let text = || json!({ "type": "string" });
    let fault = json!({ "type": "object", "properties": { "path": text(), "message": text() } });
    json!({
        "type": "object",
        "description": "RFC 9457, with a stable `code`.",
        "required": ["type", "title", "status", "detail", "code", "retryable"],
        "properties": {
            "type": text(), "title": text(), "status": { "type": "integer" }, "detail": text(), "code": text(),
            "retryable": { "type": "boolean" }, "errors": { "type": "array", "items": fault }, "leader": text(),
            "job_status": text(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described_with_its_parameters_and_its_errors() {
        let document = document(&[BASIC, CLUSTER]);
        let transfer = &document["paths"]["/v1/groups/{job}/transfer"]["post"];
        assert_eq!(transfer["parameters"][0]["name"], "job");
        assert!(transfer["responses"]["default"]["content"]["application/problem+json"].is_object());
        assert_eq!(document["paths"]["/v1/members"]["get"]["parameters"][1]["name"], "cursor");
        assert_eq!(document["paths"]["/v1/members/{id}"].as_object().unwrap().len(), 1);
    }
}

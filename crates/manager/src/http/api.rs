//! The managers' routes as `GET /v1/openapi.json` describes them.

use muster_node::api_routes;
use muster_node::openapi::ApiRoute;

/// Every route of [`super::routes`].
pub(crate) const API: &[ApiRoute] = api_routes! {
    "GET" "/v1/jobs" 200 "limit,cursor" "Jobs of this datacenter, newest first; up to 2 s old.",
    "POST" "/v1/jobs" 201 "" "Submit a job to a datacenter without gates, once per `Idempotency-Key`.",
    "GET" "/v1/jobs/{id}" 200 "wait,version,consistency" "The job's part here; with `wait` once it is beyond `version`.",
    "DELETE" "/v1/jobs/{id}" 204 "" "Drop a finished job that no gate leads.",
    "GET" "/v1/jobs/{id}/explain" 200 "" "What the job waits for here.",
    "GET" "/v1/jobs/{id}/events" 200 "" "What happens to the job here, as server-sent events.",
    "GET" "/v1/jobs/{id}/results" 200 "" "What came out of the job here so far.",
    "GET" "/v1/jobs/{id}/stats" 200 "workflow,from,step,limit,cursor" "Numbers over time.",
    "GET" "/v1/jobs/{id}/logs" 200 "workflow,shard,follow,tail" "Text lines that shards wrote.",
    "GET" "/v1/jobs/{id}/context" 200 "" "The job's key/values here.",
    "GET" "/v1/jobs/{id}/context/{key}" 200 "" "One value.",
    "PUT" "/v1/jobs/{id}/context/{key}" 200 "" "Set one value; `If-Match` names the version.",
    "DELETE" "/v1/jobs/{id}/context/{key}" 200 "" "Delete one value.",
    "POST" "/v1/jobs/{id}/cancel" 202 "" "Cancel a job that no gate leads, or some of its workflows.",
    "GET" "/v1/workers" 200 "limit,cursor" "Workers of this datacenter.",
    "POST" "/v1/workers/{id}/drain" 202 "" "Let a worker take nothing new.",
    "POST" "/v1/workers/{id}/undrain" 202 "" "Let a worker take work again.",
};

//! The gates' routes as `GET /v1/openapi.json` describes them.

use muster_node::api_routes;
use muster_node::openapi::ApiRoute;

/// Every route of [`super::routes`].
pub const API: &[ApiRoute] = api_routes! {
    "GET" "/" 200 "" "The dashboard page.",
    "GET" "/v1/jobs" 200 "status,label,limit,cursor" "Jobs, newest first; up to 2 s old.",
    "POST" "/v1/jobs" 201 "dry_run,fence_floor" "Submit a job (JSON, TOML or YAML), once per `Idempotency-Key`.",
    "GET" "/v1/jobs/{id}" 200 "wait,version,consistency" "One job; with `wait` once it is beyond `version`.",
    "DELETE" "/v1/jobs/{id}" 204 "" "Drop a finished job before its retention ends.",
    "GET" "/v1/jobs/{id}/explain" 200 "" "What the job waits for.",
    "GET" "/v1/jobs/{id}/events" 200 "last_event_id,stats" "What happens to the job, as server-sent events.",
    "GET" "/v1/jobs/{id}/results" 200 "" "What came out of the job so far.",
    "GET" "/v1/jobs/{id}/stats" 200 "workflow,datacenter,from,step,limit,cursor" "Numbers over time, merged over datacenters.",
    "GET" "/v1/jobs/{id}/logs" 200 "workflow,shard,datacenter,follow,tail" "Text lines that shards wrote.",
    "GET" "/v1/jobs/{id}/context" 200 "datacenter" "The job's key/values.",
    "GET" "/v1/jobs/{id}/context/{key}" 200 "datacenter" "One value.",
    "PUT" "/v1/jobs/{id}/context/{key}" 200 "datacenter" "Set one value; `If-Match` names the version.",
    "DELETE" "/v1/jobs/{id}/context/{key}" 200 "datacenter" "Delete one value.",
    "POST" "/v1/jobs/{id}/cancel" 202 "" "Cancel the job, or some of its workflows.",
    "GET" "/v1/jobs/{id}/callbacks" 200 "" "The job's webhooks.",
    "PUT" "/v1/jobs/{id}/callbacks" 200 "" "Add or change a webhook.",
    "DELETE" "/v1/jobs/{id}/callbacks" 204 "url" "Remove a webhook.",
    "GET" "/v1/datacenters" 200 "" "How each datacenter is.",
    "GET" "/v1/workers" 200 "datacenter,limit,cursor" "Workers of every datacenter.",
    "POST" "/v1/workers/{id}/drain" 202 "datacenter" "Let a worker take nothing new.",
    "POST" "/v1/workers/{id}/undrain" 202 "datacenter" "Let a worker take work again.",
};

//! Changes of a job's context, as the routes of both tiers read and answer them.

use axum::http::{HeaderMap, StatusCode, header};
use muster_runtime::{Clock, random};
use muster_wire::RequestId;
use muster_wire::api::{ContextWritten, IDEMPOTENCY_KEY};
use muster_wire::rpc::manager::ContextChange;

use super::{Answer, Problem};

/// A client that repeats a change names it by a UUID as its idempotency key; any other change gets a name of its own.
pub fn change_id(headers: &HeaderMap, clock: &Clock) -> RequestId {
    let named = headers.get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok()?.parse().ok());
    let named = named.filter(|request| *request != RequestId::INTERNAL);
    named.unwrap_or_else(|| RequestId::new(clock.unix_ms(), random::bits128()))
}

/// The context's version in `If-Match`; `None`: without the header. 400 for anything but a version.
pub fn expected_version(headers: &HeaderMap) -> Answer<Option<u64>> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let version = value.to_str().ok().and_then(|text| text.trim().trim_matches('"').parse().ok());
    version.map(Some).ok_or_else(|| Problem::malformed("If-Match: the context's version is expected"))
}

/// What a change of one key came to: 409 for another version, 413 for too much.
pub fn context_written(change: ContextChange, key: &str) -> Answer<ContextWritten> {
    match change {
        ContextChange::Changed { version, previous } => {
            let previous = previous.get(key).cloned().flatten().map(|value| value.to_json());
            Ok(ContextWritten { version, previous })
        }
        ContextChange::Conflict { version } => {
            Err(Problem::conflict("conflict", format!("the context has version {version} now")))
        }
        ContextChange::TooLarge { what } => {
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("{what} is too large")))
        }
    }
}

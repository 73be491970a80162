//! `GET /v1/jobs` and `GET /v1/jobs/{id}`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use muster_consensus::Consistency;
use muster_node::facts::resolve;
use muster_node::http::{Answer, PageQuery, Problem};
use muster_wire::JobId;
use muster_wire::api::{JobList, JobView};
use serde::Deserialize;

use super::view::{item, job, rfc3339};
use crate::shared::Shared;

/// A read, from its start to its answer.
pub(super) const READ_WITHIN: Duration = Duration::from_secs(5);

/// How fresh an answer has to be.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Freshness {
    consistency: Option<String>,
}

/// Newest first.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Query(page): Query<PageQuery>,
) -> Answer<Json<JobList>> {
    let limit = page.limit()?;
    let before = before(page.cursor.as_deref())?;
    let directory = shared.coordinator.directory();
    let mut items: Vec<_> = directory.jobs_before(before).take(limit + 1).map(item).collect();
    let is_more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| is_more).map(|last| last.id.to_string());
    Ok(Json(JobList { items, next_cursor, as_of: rfc3339(shared.clock.unix_ms()) }))
}

fn before(cursor: Option<&str>) -> Answer<JobId> {
    match cursor {
        Some(text) => text.parse().map_err(|_| Problem::malformed("cursor: take it from `next_cursor`")),
        None => Ok(JobId(u128::MAX)),
    }
}

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(freshness): Query<Freshness>,
) -> Answer<Json<JobView>> {
    let id = resolve(&shared.coordinator.directory(), &id)?;
    let view = shared.coordinator.read(id, freshness.wanted()?, READ_WITHIN).await?;
    let record = view.state.record().ok_or_else(Problem::unknown_job)?;
    Ok(Json(job(&view, record)))
}

impl Freshness {
    fn wanted(&self) -> Answer<Consistency> {
        match self.consistency.as_deref() {
            None | Some("linearizable") => Ok(Consistency::Linearizable),
            Some("stale") => Ok(Consistency::Stale),
            Some(_) => Err(Problem::malformed("consistency: `linearizable` or `stale` is expected")),
        }
    }
}

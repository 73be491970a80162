//! `GET /v1/jobs` and `GET /v1/jobs/{id}`, which may wait for a change.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use muster_consensus::{Consistency, View};
use muster_node::facts::resolve;
use muster_node::http::{Answer, PageQuery, Problem};
use muster_wire::JobId;
use muster_wire::api::{JobList, JobView};
use serde::Deserialize;

use super::view::{item, job, rfc3339};
use crate::machine::{JobRecord, ManagerJob};
use crate::shared::Shared;

/// A read, from its start to its answer.
pub(super) const READ_WITHIN: Duration = Duration::from_secs(5);

/// Longest `wait`.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// While it waits, the job is looked at this often.
const POLL: Duration = Duration::from_millis(250);

/// How fresh an answer has to be, and what it waits for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    consistency: Option<String>,
    wait: Option<String>,
    version: Option<u64>,
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
    Query(wanted): Query<Wanted>,
) -> Answer<Json<JobView>> {
    let id = resolve(&shared.coordinator.directory(), &id)?;
    let (how, wait) = (wanted.consistency()?, wanted.wait()?);
    let view = shared.coordinator.read(id, how, READ_WITHIN).await?;
    let view = match wait {
        Some(wait) => waited(&shared, view, (wanted.version, wait)).await,
        None => view,
    };
    let record = view.state.record().ok_or_else(Problem::unknown_job)?;
    Ok(Json(job(&view, record)))
}

/// Waits for a change beyond a version, by default the present one; without one in time, the job as it is.
async fn waited(
    shared: &Shared,
    mut view: View<ManagerJob>,
    (beyond, wait): (Option<u64>, Duration),
) -> View<ManagerJob> {
    let beyond = beyond.unwrap_or_else(|| version(&view));
    let until = shared.clock.now() + wait.min(WAIT_MAX);
    while is_awaited(&view, beyond) && shared.clock.now() < until {
        tokio::time::sleep(POLL).await;
        view =
            shared.coordinator.read(view.state.job(), Consistency::Stale, READ_WITHIN).await.unwrap_or(view);
    }
    view
}

fn version(view: &View<ManagerJob>) -> u64 {
    view.state.record().map_or(0, JobRecord::version)
}

fn is_awaited(view: &View<ManagerJob>, beyond: u64) -> bool {
    view.state.record().is_some_and(|record| record.version() <= beyond && !record.status().is_terminal())
}

impl Wanted {
    fn consistency(&self) -> Answer<Consistency> {
        match self.consistency.as_deref() {
            None | Some("linearizable") => Ok(Consistency::Linearizable),
            Some("stale") => Ok(Consistency::Stale),
            Some(_) => Err(Problem::malformed("consistency: `linearizable` or `stale` is expected")),
        }
    }

    fn wait(&self) -> Answer<Option<Duration>> {
        let wait = self.wait.as_deref().map(muster_spec::parse_duration).transpose();
        let wait = wait.map_err(|why| Problem::malformed(format!("wait: {why}")))?;
        Ok(wait.map(Duration::from_millis))
    }
}

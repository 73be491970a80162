//! `GET /v1/jobs/{id}/explain` and `GET /v1/jobs/{id}/stats`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use muster_consensus::{Consistency, ProposeError};
use muster_node::facts::resolve;
use muster_node::http::{Answer, Problem};
use muster_wire::WorkflowIx;
use muster_wire::api::{Explanation, Page, StatsWindowView, Wait};
use muster_wire::rpc::manager::{ExplainJob, ReadStats, WaitRow};
use muster_wire::spec::JobSpec;
use serde::Deserialize;

use super::jobs::READ_WITHIN;
use super::view::rfc3339;
use crate::service::explain;
use crate::shared::Shared;

/// Rows of an explanation.
const ROWS_MAX: u32 = 1_000;

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Answer<Json<Explanation>> {
    let job = resolve(&shared.coordinator.directory(), &id)?;
    let view = shared.coordinator.read(job, Consistency::Linearizable, READ_WITHIN).await?;
    let record = view.state.record().ok_or_else(Problem::unknown_job)?;
    let call = ExplainJob { job, limit: ROWS_MAX, forwarded: false };
    let explained = explain::explain(shared.clone(), call).await.map_err(ProposeError::from)?;
    let waits = explained.rows.iter().map(|row| wait(record.spec(), row)).collect();
    Ok(Json(Explanation { id: job, status: record.status(), waits }))
}

fn wait(spec: &JobSpec, row: &WaitRow) -> Wait {
    let until = row.until_ms.map(|at_ms| format!(", until {} at the latest", rfc3339(at_ms)));
    Wait {
        subject: row.workflow.map_or_else(|| "job".to_owned(), |ix| subject(spec, (ix, row))),
        cause: row.cause.clone(),
        detail: format!("{}{}", row.detail, until.unwrap_or_default()),
    }
}

/// `index`, `index[3]`, or `index[3] and 7 more`.
fn subject(spec: &JobSpec, (ix, row): (WorkflowIx, &WaitRow)) -> String {
    let name = name(spec, ix);
    match (row.shard, row.shards) {
        (Some(shard), 0 | 1) => format!("{name}[{shard}]"),
        (Some(shard), many) => format!("{name}[{shard}] and {} more", many - 1),
        (None, _) => name,
    }
}

fn name(spec: &JobSpec, ix: WorkflowIx) -> String {
    spec.workflow(ix).map(|workflow| workflow.name.clone()).unwrap_or_default()
}

/// What of the numbers is asked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Params {
    workflow: Option<String>,
    from: Option<String>,
    step: Option<String>,
}

pub(super) async fn stats(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(params): Query<Params>,
) -> Answer<Json<Page<StatsWindowView>>> {
    let job = resolve(&shared.coordinator.directory(), &id)?;
    let view = shared.coordinator.read(job, Consistency::Linearizable, READ_WITHIN).await?;
    let record = view.state.record().ok_or_else(Problem::unknown_job)?;
    let workflow = params.workflow.as_deref().map(|wanted| position(record.spec(), wanted)).transpose()?;
    let call = ReadStats {
        job,
        workflow,
        from_ms: params.begin_ms()?,
        step_ms: params.width_ms()?,
        forwarded: false,
    };
    let history = explain::stats(shared.clone(), call).await.map_err(ProposeError::from)?;
    let document = |window: &_| stats_view(record.spec(), window);
    Ok(Json(Page { items: history.windows.iter().map(document).collect(), next_cursor: None }))
}

fn stats_view(spec: &JobSpec, window: &muster_wire::stats::StatsWindow) -> StatsWindowView {
    StatsWindowView::new(window, name(spec, window.workflow), rfc3339(window.start_ms))
}

/// The position of a workflow with this name.
pub(super) fn position(spec: &JobSpec, wanted: &str) -> Answer<WorkflowIx> {
    let found = spec.enumerate().find(|(_, workflow)| workflow.name == wanted);
    let unknown = || Problem::not_found("unknown_workflow", format!("the job has no workflow `{wanted}`"));
    found.map(|(ix, _)| ix).ok_or_else(unknown)
}

impl Params {
    fn begin_ms(&self) -> Answer<u64> {
        let Some(text) = &self.from else { return Ok(0) };
        let at: jiff::Timestamp =
            text.parse().map_err(|_| Problem::malformed("from: a time such as 2026-01-31T12:00:00Z"))?;
        Ok(u64::try_from(at.as_millisecond()).unwrap_or_default())
    }

    fn width_ms(&self) -> Answer<u64> {
        let Some(text) = &self.step else { return Ok(0) };
        muster_spec::parse_duration(text).map_err(|why| Problem::malformed(format!("step: {why}")))
    }
}

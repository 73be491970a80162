//! `GET` and `DELETE /v1/jobs/{id}`, `GET /v1/jobs/{id}/explain`.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use futures_util::future::join_all;
use muster_consensus::{Consistency, ProposeError, View};
use muster_machine::{Entry, Machine as _, Reason};
use muster_node::http::{Answer, Caller, Problem};
use muster_wire::CodecError;
use muster_wire::api::{Explanation, JobView};
use muster_wire::rpc::manager::{ExplainJob, Explained};
use serde::Deserialize;

use super::cancel::requester;
use super::resolve::read;
use super::{duration, place};
use crate::follow::{Follower, version};
use crate::gate::Gate;
use crate::machine::GateJob;
use crate::machine::commands::DeleteJob;
use crate::present;
use crate::reconcile::releases;

/// Longest `wait`.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Rows that one datacenter may tell of.
const EXPLAIN_ROWS_MAX: u32 = 200;
/// Other entries may come between the reading of a job and the proposal.
const TRIES_MAX: usize = 8;

#[derive(Deserialize)]
pub(super) struct Params {
    wait: Option<String>,
    version: Option<u64>,
    consistency: Option<String>,
}

pub(super) async fn show(
    State(gate): State<Gate>,
    Path(id): Path<String>,
    Query(params): Query<Params>,
) -> Answer<Json<JobView>> {
    let how = consistency(params.consistency.as_deref())?;
    let wait = params.wait.as_deref().map(|text| duration("wait", text)).transpose()?;
    let view = read(&gate, &id, how).await?;
    let view = match wait {
        Some(wait) => waited(&gate, view, (params.version, wait)).await?,
        None => view,
    };
    document(&view, how).map(Json)
}

fn consistency(word: Option<&str>) -> Answer<Consistency> {
    match word {
        None | Some("linearizable") => Ok(Consistency::Linearizable),
        Some("stale") => Ok(Consistency::Stale),
        Some(other) => {
            Err(Problem::malformed(format!("consistency is `linearizable` or `stale`, not `{other}`")))
        }
    }
}

/// Waits for a change beyond a version, by default the present one; without one in time, the job as it is.
async fn waited(
    gate: &Gate,
    view: View<GateJob>,
    (beyond, wait): (Option<u64>, Duration),
) -> Answer<View<GateJob>> {
    let beyond = beyond.unwrap_or_else(|| version(&view));
    if version(&view) > beyond || view.state.is_terminal() {
        return Ok(view);
    }
    let mut follower = Follower::new(gate, view.state.job);
    match tokio::time::timeout(wait.min(WAIT_MAX), follower.beyond(beyond)).await {
        Ok(changed) => Ok(changed?),
        Err(_) => Ok(view),
    }
}

fn document(view: &View<GateJob>, how: Consistency) -> Answer<JobView> {
    let mut document = present::job_view(&view.state).ok_or_else(Problem::unknown_job)?;
    if how == Consistency::Stale {
        document.age_ms = Some(view.age.as_millis() as u64);
    }
    Ok(document)
}

pub(super) async fn explain(State(gate): State<Gate>, Path(id): Path<String>) -> Answer<Json<Explanation>> {
    let view = read(&gate, &id, Consistency::Linearizable).await?;
    let mut told = present::explain(&view.state, &gate.datacenters).ok_or_else(Problem::unknown_job)?;
    if let Some(details) = details(&gate, &view.state).await {
        present::add_details(&mut told, &view.state, details);
    }
    Ok(Json(told))
}

/// What each datacenter that runs the job says of it; silent ones are left out: their silence is a row of its own.
async fn details(gate: &Gate, job: &GateJob) -> Option<Vec<(String, Explained)>> {
    let runs = |name: &&String| {
        !job.is_terminal() && job.dc(name).is_some_and(|dc| dc.may_run() && dc.has_accepted())
    };
    let places: Vec<&String> = job.targets.primaries.iter().filter(runs).collect();
    let call = ExplainJob { job: job.job, limit: EXPLAIN_ROWS_MAX, forwarded: false };
    let answers = join_all(places.iter().map(|dc| place::ask(gate, (job, dc.as_str()), &call))).await;
    let told = answers.into_iter().zip(places).filter_map(|(answer, dc)| Some((dc.clone(), answer.ok()??)));
    Some(told.collect()).filter(|told: &Vec<_>| !told.is_empty())
}

pub(super) async fn delete(
    State(gate): State<Gate>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Answer<StatusCode> {
    for _ in 0..TRIES_MAX {
        let view = read(&gate, &id, Consistency::Linearizable).await?;
        check_ended(&view.state)?;
        let entry = deletion(&gate, &view, requester(&caller))
            .map_err(|error| Problem::internal(error.to_string()))?;
        let reply = match gate.propose(view.state.job, entry).await {
            Err(ProposeError::Gone { .. }) => return Ok(StatusCode::NO_CONTENT),
            other => other?,
        };
        match reply.rejection() {
            None | Some(Reason::Gone { .. }) => return Ok(StatusCode::NO_CONTENT),
            Some(reason) => tracing::debug!(%reason, "the job has changed, its deletion is tried again"),
        }
    }
    Err(Problem::busy(Duration::from_secs(1)))
}

fn check_ended(job: &GateJob) -> Answer<()> {
    let Some(status) = job.status().filter(|status| !status.is_terminal()) else { return Ok(()) };
    Err(Problem::conflict("not_terminal", format!("the job is {status}: cancel it first"))
        .with_job_status(status))
}

/// Everything is given back under the job's present token, then the job goes.
fn deletion(gate: &Gate, view: &View<GateJob>, requester: String) -> Result<Entry, CodecError> {
    let entry = gate.entry(view.state.job, view.state.token());
    releases(&view.state, entry)?.with(&DeleteJob { requester })
}

//! What a job waits for, as far as the gates know.

use muster_wire::api::{DatacenterHealth, Explanation, Wait};
use muster_wire::job::WorkflowStatus;
use muster_wire::rpc::manager::{Explained, WaitRow};

use super::job_view;
use crate::dc::Datacenters;
use crate::machine::{Dc, GateJob};

/// The document; `None` before the job is submitted.
pub fn explain(job: &GateJob, datacenters: &Datacenters) -> Option<Explanation> {
    let status = job.record.as_ref()?.status;
    let waits = match status.is_terminal() {
        true => Vec::new(),
        false => waits(job, datacenters),
    };
    Some(Explanation { id: job.job, status, waits })
}

fn waits(job: &GateJob, datacenters: &Datacenters) -> Vec<Wait> {
    let leader =
        job.leadership.leader.is_none().then(|| wait("job", "leader", "no gate acts for the job yet".into()));
    let places = job.targets.primaries.iter().filter_map(|name| place(job, name, datacenters));
    leader.into_iter().chain(cancel(job)).chain(places).chain(workflows(job)).collect()
}

fn wait(subject: &str, cause: &str, detail: String) -> Wait {
    Wait { subject: subject.to_owned(), cause: cause.to_owned(), detail }
}

fn cancel(job: &GateJob) -> Option<Wait> {
    let owed = job.owed_stops();
    let waits = job.is_cancelling() && !owed.is_empty();
    waits.then(|| wait("job", "cancel", format!("{} did not confirm the cancel yet", owed.join(", "))))
}

/// Why a target has not taken the job, or does not answer.
fn place(job: &GateJob, name: &str, datacenters: &Datacenters) -> Option<Wait> {
    let dc = job.dc(name).filter(|dc| dc.result.is_none())?;
    let view = datacenters.view(name);
    let health = view.as_ref().map_or(DatacenterHealth::Unhealthy, |view| view.health);
    let detail = match health {
        DatacenterHealth::Healthy => return not_taken(name, dc),
        DatacenterHealth::Initializing => "was not asked yet",
        DatacenterHealth::Busy => "has no free core",
        DatacenterHealth::Degraded => "has no leader or no worker",
        DatacenterHealth::Unhealthy => "does not answer; the job waits for it",
    };
    let cause = if health == DatacenterHealth::Busy { "cores" } else { "datacenter" };
    Some(wait(name, cause, format!("{name} {detail}")))
}

fn not_taken(name: &str, dc: &Dc) -> Option<Wait> {
    (!dc.has_accepted()).then(|| wait(name, "datacenter", format!("{name} was not handed the job yet")))
}

/// The managers know it better than the gates: their rows take the place of what the gates conclude from progress.
pub fn add_details(told: &mut Explanation, job: &GateJob, details: Vec<(String, Explained)>) {
    let names: Vec<&str> = job
        .spec()
        .map(|spec| spec.workflows.iter().map(|workflow| workflow.name.as_str()).collect())
        .unwrap_or_default();
    told.waits.retain(|wait| !names.contains(&wait.subject.as_str()));
    let rows = details.iter().flat_map(|(dc, explained)| explained.rows.iter().map(move |row| (dc, row)));
    told.waits.extend(rows.map(|(dc, row)| detail(job, dc, row)));
}

fn detail(job: &GateJob, dc: &str, row: &WaitRow) -> Wait {
    let workflow = row.workflow.and_then(|ix| job.spec()?.workflow(ix)).map(|spec| spec.name.clone());
    let shard = row.shard.map(|shard| format!("[{shard}]")).unwrap_or_default();
    let more = if row.shards > 1 { format!(" and {} more shards", row.shards - 1) } else { String::new() };
    let subject = workflow.map_or_else(|| "job".to_owned(), |name| format!("{name}{shard}"));
    let until = row.until_ms.map(|ms| format!(", until {}", super::time(ms))).unwrap_or_default();
    wait(&subject, &row.cause, format!("in {dc}{more}: {}{until}", row.detail))
}

/// Workflows that have not ended: what the datacenters last told.
fn workflows(job: &GateJob) -> Vec<Wait> {
    let rows = job_view(job).map(|view| view.workflows).unwrap_or_default();
    let open = rows.into_iter().filter(|row| !row.status.is_terminal());
    open.map(|row| {
        let (cause, word) = match row.status {
            WorkflowStatus::Running | WorkflowStatus::Assigned => ("running", "is running"),
            WorkflowStatus::Cancelling => ("cancel", "is being cancelled"),
            _ => ("dependency", "waits for its dependencies or for free cores"),
        };
        let shards = row.shards;
        let detail = format!(
            "{word}: {} of {} shards done, {} running",
            shards.succeeded, shards.total, shards.running
        );
        wait(&row.name, cause, detail)
    })
    .collect()
}

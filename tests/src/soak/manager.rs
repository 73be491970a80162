//! Managers and workers are killed and stopped while jobs of every shape run.

use std::fmt;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use muster_client::{Client, Submission};
use muster_wire::api::{CancelRequest, JobResults, JobView};

use super::chaos::{self, Dice, Done};
use super::notes::Notes;
use super::shapes::{SHAPES, Shape};
use crate::cluster::{Cluster, Role, Topology};
use crate::wait::within;

/// Three managers, four workers.
const TOPOLOGY: Topology = Topology { gates: 1, dcs: 1, managers: 3, workers: 4, cores: 4 };
/// Jobs that run at the same time.
const AT_ONCE: usize = 24;
/// From the last fault to the end of the last job.
const PATIENCE: Duration = Duration::from_secs(300);

/// A run of so many seconds has to meet stale tokens.
const LONG: u64 = 60;

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Seconds of faults.
    pub seconds: u64,
    /// Jobs in all.
    pub jobs: usize,
    /// Repeats a run.
    pub seed: u64,
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    plan: Plan,
    done: Done,
    started: usize,
    faults: Vec<String>,
}

/// Runs the jobs under faults and looks at what became of them.
pub async fn run(plan: Plan) -> anyhow::Result<Found> {
    let mut cluster = Cluster::prepare(TOPOLOGY)?;
    cluster.set("limits.submissions", "0");
    cluster.start_all().await?;
    let client = cluster.client()?;
    let notes = cluster.data_dir("notes").display().to_string();
    let mut dice = Dice::new(plan.seed);
    let length = Duration::from_secs(plan.seconds);
    let (ended, done) =
        tokio::join!(run_jobs(&client, plan, &notes), chaos::run(&mut cluster, &mut dice, length));
    let mut done = done?;
    for role in [Role::Manager, Role::Worker, Role::Gate] {
        for name in cluster.names(role) {
            done.note_fenced(&cluster, &name).await;
        }
    }
    let notes = Notes::read(&notes);
    let mut faults: Vec<String> =
        notes.twice().iter().map(|what| format!("executed twice: {what:?}")).collect();
    faults.extend(
        notes.unfenced().iter().map(|what| format!("started under a fence that does not rise: {what:?}")),
    );
    for job in ended {
        faults.extend(judge(&client, job, &notes).await);
    }
    Ok(Found { plan, done, started: notes.started(), faults })
}

/// A job and what it came to, or why that is not known.
type Ended = (usize, Result<JobView, String>);

async fn run_jobs(client: &Client, plan: Plan, notes: &str) -> Vec<Ended> {
    let jobs = (0..plan.jobs).map(|number| async move {
        let ended = run_job(client, number, notes).await;
        (number, ended.map_err(|error| format!("{error:#}")))
    });
    stream::iter(jobs).buffer_unordered(AT_ONCE).collect().await
}

const fn shape(number: usize) -> &'static Shape {
    &SHAPES[number % SHAPES.len()]
}

async fn run_job(client: &Client, number: usize, notes: &str) -> anyhow::Result<JobView> {
    let shape = shape(number);
    let body = shape.file(number, notes).into_bytes();
    let submission =
        Submission { body, content_type: "application/toml", key: Some(format!("soak-{number}")) };
    let (submitted, _) = client.submit(submission).await?;
    let id = submitted.id.to_string();
    if shape.cancelled {
        let request = CancelRequest { reason: "soak".into(), ..CancelRequest::default() };
        client.cancel(&id, &request).await?;
    }
    let mut ask = || async {
        let view = client.job(&id).await.map_err(|error| error.to_string())?;
        match view.status.is_terminal() {
            true => Ok(view),
            false => Err(format!("{} {:?}", view.status, view.workflows)),
        }
    };
    within(PATIENCE, &format!("the end of {id}, a {} job", shape.name), &mut ask).await
}

async fn judge(client: &Client, (number, ended): Ended, notes: &Notes) -> Vec<String> {
    let shape = shape(number);
    let view = match ended {
        Ok(view) => view,
        Err(why) => return vec![format!("job {number} ({}): {why}", shape.name)],
    };
    let mut faults = Vec::new();
    if view.status != shape.ends {
        faults.push(format!(
            "job {} ({}) ended {}, not {}: {:?} {:?}",
            view.id, shape.name, view.status, shape.ends, view.resolution, view.workflows
        ));
    }
    match client.results(&view.id.to_string()).await {
        Ok(results) => {
            faults.extend(notes.faults_of(&results));
            faults.extend(missing(&view, &results));
        }
        Err(error) => faults.push(format!("no results of {}: {error}", view.id)),
    }
    faults
}

/// Workflows that succeeded with other than one accepted result a shard.
fn missing(view: &JobView, results: &JobResults) -> Vec<String> {
    let parts = || results.datacenters.values().flat_map(|part| &part.workflows);
    let count = |name: &str| {
        parts().filter(|(known, _)| *known == name).map(|(_, it)| it.shards.len()).sum::<usize>()
    };
    let succeeded = view.workflows.iter().filter(|workflow| workflow.status.is_success());
    let wrong = succeeded.filter(|workflow| workflow.shards.total as usize != count(&workflow.name));
    wrong.map(|workflow| format!("results of {} of {}: {results:?}", workflow.name, view.id)).collect()
}

impl Found {
    /// Fails with everything that was not as it has to be.
    pub fn ensure_held(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.faults.is_empty(), "{} faults:\n{}", self.faults.len(), self.faults.join("\n"));
        let is_tried = self.plan.seconds < LONG || self.fenced() > 0.0;
        anyhow::ensure!(is_tried, "nothing under a stale token was ever refused");
        Ok(())
    }

    /// Calls and results under an old token that were refused.
    pub fn fenced(&self) -> f64 {
        self.done.fenced.values().sum()
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} jobs of {} shapes, {} attempts started, {} kills and {} stops in {} s (seed {}): {} faults; refused under an old token: {:?}",
            self.plan.jobs,
            SHAPES.len(),
            self.started,
            self.done.kills,
            self.done.stops,
            self.plan.seconds,
            self.plan.seed,
            self.faults.len(),
            self.done.fenced,
        )
    }
}

//! One job of a soak: submitted, followed to its end, then judged.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use muster_client::{Client, Submission};
use muster_wire::JobId;
use muster_wire::api::{CallbackRequest, DatacenterResults, EventKind, JobEvent, JobResults, JobView};
use muster_wire::job::JobStatus;

use super::notes::Notes;

/// A stream that hears nothing for so long is a failure.
const PATIENCE: Duration = Duration::from_secs(180);

/// Notes the start and the end of an attempt, with the datacenter that it runs in.
const SCRIPT: &str = r#"
place=$(expr "$MUSTER_CONTEXT" : ".*/\\(dc[0-9]*\\)-w")
note() { echo "$1 $MUSTER_JOB_ID@$place $MUSTER_WORKFLOW $MUSTER_SHARD $MUSTER_ATTEMPT $MUSTER_FENCE" >> @notes@; }
note start
sleep @seconds@
note end
"#;

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) number: u32,
    pub(super) datacenters: u32,
    pub(super) shards: u32,
    pub(super) hook: String,
    pub(super) notes: String,
}

impl Wish {
    fn text(&self) -> String {
        let Self { number, datacenters, shards, .. } = self;
        let lost = if number.is_multiple_of(2) { "failover" } else { "wait" };
        let (first, second) = (self.command(1 + number % 3), self.command(0));
        format!(
            "name = 'soak-{number}'\ntimeout = '10m'\ndatacenter_count = {datacenters}\non_dc_lost = '{lost}'\n\
             [[workflows]]\nname = 'first'\nreplicas = {shards}\nretries = 5\ncommand = {first}\n\
             [[workflows]]\nname = 'second'\ndepends_on = ['first']\nretries = 5\ncommand = {second}\n"
        )
    }

    fn command(&self, seconds: u32) -> String {
        let script = SCRIPT.replace("@notes@", &self.notes).replace("@seconds@", &seconds.to_string());
        format!("['sh', '-c', '''{script}''']")
    }
}

/// What became of it.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) job: JobId,
    pub(super) wish: Wish,
    pub(super) events: Vec<JobEvent>,
}

/// Submits with a webhook and follows the events to their end.
pub(super) async fn tell(client: Client, wish: Wish) -> anyhow::Result<Story> {
    let key = Some(format!("soak-{}", wish.number));
    let submission = Submission { body: wish.text().into_bytes(), content_type: "application/toml", key };
    let job = client.submit(submission).await.context("submit")?.0.id;
    let id = job.to_string();
    let hook =
        CallbackRequest { url: wish.hook.clone(), secret: "soak".into(), ..CallbackRequest::default() };
    client.callback_add(&id, &hook).await.with_context(|| format!("callback of {id}"))?;
    let events = follow(&client, &id).await?;
    Ok(Story { job, wish, events })
}

/// A job's events from the first to its end, without the state that comes with the last.
async fn follow(client: &Client, id: &str) -> anyhow::Result<Vec<JobEvent>> {
    let (mut told, mut events) = (Vec::new(), client.events(id, None, PATIENCE));
    while let Some(event) = events.next().await.with_context(|| format!("events of {id}"))? {
        told.push(JobEvent { job: None, ..event });
    }
    Ok(told)
}

impl Story {
    fn versions(&self) -> impl Iterator<Item = u64> {
        self.events.iter().map(|event| event.version)
    }

    /// The event stream was whole: from 1 on, each once, and any gate tells the same story afterwards.
    pub(super) async fn check_stream(&self, gates: &[Client]) -> anyhow::Result<()> {
        let is_whole = self.versions().eq(1..=self.events.len() as u64);
        let is_cut = self.events.iter().any(|event| event.kind == EventKind::Truncated);
        ensure!(is_whole && !is_cut, "job {}: events {:?}", self.job, self.versions().collect::<Vec<_>>());
        for gate in gates {
            let again = follow(gate, &self.job.to_string()).await?;
            ensure!(again == self.events, "job {}: {:#?} was told as {again:#?}", self.job, self.events);
        }
        Ok(())
    }

    /// Every gate tells the same end, and counts add up over the datacenters.
    pub(super) fn check_end(&self, views: &[JobView], results: &JobResults) -> anyhow::Result<()> {
        let first = views.first().context("no gate answers")?;
        let same = |view: &JobView| {
            (view.status, view.version, view.token, &view.resolution)
                == (first.status, first.version, first.token, &first.resolution)
        };
        ensure!(views.iter().all(same), "job {}: gates differ: {views:#?}", self.job);
        ensure!(first.status == JobStatus::Completed, "job {}: {first:#?}", self.job);
        ensure!(Some(first.version) == self.versions().last(), "job {}: the stream ended early", self.job);
        self.check_lost(first)?;
        self.check_counts(first, results)
    }

    /// Nothing was taken of a datacenter after it had been given up.
    fn check_lost(&self, view: &JobView) -> anyhow::Result<()> {
        let lost = view.datacenters.iter().filter(|(_, dc)| dc.reason.as_deref() == Some("lost"));
        let ended = lost.filter(|(_, dc)| dc.status.is_terminal()).count();
        ensure!(ended == 0, "job {}: a result of a lost datacenter was taken: {view:#?}", self.job);
        Ok(())
    }

    /// What was accepted of each datacenter ran there, to its end, and each attempt ran once.
    pub(super) fn check_notes(&self, results: &JobResults, notes: &Notes) -> anyhow::Result<()> {
        for (dc, part) in &results.datacenters {
            let faults = notes.faults_of_part(&format!("{}@{dc}", self.job), part);
            ensure!(faults.is_empty(), "job {} in {dc}: {faults:?}", self.job);
        }
        Ok(())
    }

    fn check_counts(&self, view: &JobView, results: &JobResults) -> anyhow::Result<()> {
        ensure!(view.target_datacenters.len() as u32 == self.wish.datacenters, "{view:#?}");
        for dc in &view.target_datacenters {
            let part = results.datacenters.get(dc);
            let part = part.with_context(|| format!("job {}: no results of {dc}", self.job))?;
            self.check_part(part).with_context(|| format!("job {} in {dc}", self.job))?;
        }
        let done: u32 = view.workflows.iter().map(|workflow| workflow.shards.succeeded).sum();
        let wanted = (self.wish.shards + 1) * self.wish.datacenters;
        ensure!(done == wanted, "job {}: {done} of {wanted} shards: {view:#?}", self.job);
        Ok(())
    }

    /// Exactly one accepted result for each shard.
    fn check_part(&self, part: &DatacenterResults) -> anyhow::Result<()> {
        for (name, shards) in [("first", self.wish.shards), ("second", 1)] {
            let results = part.workflows.get(name).into_iter().flat_map(|workflow| &workflow.shards);
            let got: Vec<u32> = results.map(|result| result.shard).collect();
            ensure!(got.iter().copied().eq(0..shards), "{name}: {got:?}");
        }
        Ok(())
    }

    /// The webhook got every event at least once, each first time in order, under tokens that never fall.
    pub(super) fn check_hook(&self, got: &[(u64, u64)]) -> anyhow::Result<()> {
        let mut first: BTreeMap<u64, (usize, u64)> = BTreeMap::new();
        for (at, (sequence, token)) in got.iter().enumerate() {
            first.entry(*sequence).or_insert((at, *token));
        }
        let all = first.keys().copied().eq(self.versions());
        ensure!(all, "job {}: {} events, webhook got {got:?}", self.job, self.events.len());
        let firsts: Vec<(usize, u64)> = first.into_values().collect();
        let in_order = firsts.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
        ensure!(in_order, "job {}: out of order: {got:?}", self.job);
        Ok(())
    }
}

//! One job of a soak: submitted, followed to its end, then judged.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use muster_client::{Client, Submission};
use muster_wire::JobId;
use muster_wire::api::{CallbackRequest, DatacenterResults, EventKind, JobResults, JobView};
use muster_wire::job::JobStatus;

/// A stream that hears nothing for so long is a failure.
const PATIENCE: Duration = Duration::from_secs(180);

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) number: u32,
    pub(super) datacenters: u32,
    pub(super) shards: u32,
    pub(super) hook: String,
}

impl Wish {
    fn text(&self) -> String {
        let Self { number, datacenters, shards, .. } = self;
        let lost = if number.is_multiple_of(2) { "failover" } else { "wait" };
        let seconds = 1 + number % 3;
        format!(
            "name = 'soak-{number}'\ntimeout = '10m'\ndatacenter_count = {datacenters}\non_dc_lost = '{lost}'\n\
             [[workflows]]\nname = 'first'\nreplicas = {shards}\nretries = 5\ncommand = ['sleep', '{seconds}']\n\
             [[workflows]]\nname = 'second'\ndepends_on = ['first']\nretries = 5\ncommand = ['true']\n"
        )
    }
}

/// What became of it.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) job: JobId,
    pub(super) wish: Wish,
    pub(super) versions: Vec<u64>,
    pub(super) truncated: bool,
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
    let mut story = Story { job, wish, versions: Vec::new(), truncated: false };
    let mut events = client.events(&id, None, PATIENCE);
    while let Some(event) = events.next().await.with_context(|| format!("events of {id}"))? {
        story.truncated |= event.kind == EventKind::Truncated;
        story.versions.push(event.version);
    }
    Ok(story)
}

impl Story {
    /// The event stream was whole: from 1 on, each once.
    pub(super) fn check_stream(&self) -> anyhow::Result<()> {
        let whole = self.versions.iter().copied().eq(1..=self.versions.len() as u64);
        ensure!(whole && !self.truncated, "job {}: events {:?}", self.job, self.versions);
        Ok(())
    }

    /// Every gate tells the same end, and counts add up over the datacenters.
    pub(super) fn check_end(&self, views: &[JobView], results: &JobResults) -> anyhow::Result<()> {
        let first = views.first().context("no gate answers")?;
        let same = |view: &JobView| {
            (view.status, view.version, &view.resolution) == (first.status, first.version, &first.resolution)
        };
        ensure!(views.iter().all(same), "job {}: gates differ: {views:#?}", self.job);
        ensure!(first.status == JobStatus::Completed, "job {}: {first:#?}", self.job);
        ensure!(Some(&first.version) == self.versions.last(), "job {}: the stream ended early", self.job);
        self.check_counts(first, results)
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
        let all = first.keys().copied().eq(self.versions.iter().copied());
        ensure!(all, "job {}: {} events, webhook got {got:?}", self.job, self.versions.len());
        let firsts: Vec<(usize, u64)> = first.into_values().collect();
        let in_order = firsts.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
        ensure!(in_order, "job {}: out of order: {got:?}", self.job);
        Ok(())
    }
}

//! Three gates and three datacenters while gates die and pause and one datacenter is cut off: every job ends once and
//! right on every gate, every stream is whole, every webhook delivered.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::stream::{self, StreamExt as _};
use muster_client::{Client, ClientOptions};
use muster_runtime::{Clock, TaskKind, TaskScope, random};
use muster_sites::Sites;
use muster_wire::api::{JobResults, JobView};

use super::hook::Hook;
use super::notes::Notes;
use super::story::{Story, Wish, tell};
use crate::cluster::Role;
use crate::wait::within;
use crate::{Cluster, Topology, metrics};

const STORY: TaskKind = TaskKind::new("soak_story");
const WHOLE: Topology = Topology { gates: 3, dcs: 3, managers: 3, workers: 2, cores: 8 };
const SETTINGS: [(&str, &str); 3] =
    [("security.insecure", "true"), ("limits.submissions", "0"), ("gate.dc_lost_timeout", "15s")];
/// Jobs whose end is checked at the same time.
const CHECKS: usize = 8;
/// Last deliveries may take so long.
const SETTLE: Duration = Duration::from_secs(120);
/// The last job may take so long after the faults have ended.
const END: Duration = Duration::from_secs(360);

/// A run of so many seconds has to meet stale tokens.
const LONG: u64 = 120;

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// While faults happen.
    pub seconds: u64,
    /// One datacenter is cut off for so long, in the middle.
    pub cut_seconds: u64,
    /// Jobs in all.
    pub jobs: u32,
    /// How many nodes of each kind.
    pub topology: Topology,
}

impl Plan {
    /// A hundred jobs in three minutes; fewer in less.
    pub fn lasting(seconds: u64) -> Self {
        let jobs = u32::try_from(seconds * 100 / 180).unwrap_or(100).clamp(4, 400);
        Self { seconds, cut_seconds: (seconds / 3).min(60), jobs, topology: WHOLE }
    }

    /// A part of it for every run of the tests: fewer nodes.
    pub const fn brief() -> Self {
        let topology = Topology { gates: 3, dcs: 2, managers: 1, workers: 1, cores: 8 };
        Self { seconds: 20, cut_seconds: 8, jobs: 10, topology }
    }
}

/// Runs it; `Err` says what did not hold.
pub async fn run(plan: Plan) -> anyhow::Result<()> {
    let mut cluster = Cluster::prepare_in_sites(plan.topology)?;
    SETTINGS.iter().for_each(|(key, value)| cluster.set(key, value));
    cluster.start_all().await?;
    let scope = TaskScope::new();
    let (hook, url) = Hook::start(&Sites::outside(), &scope).await?;
    let (told, mut stories) = tokio::sync::mpsc::channel(plan.jobs as usize);
    submit_all(&cluster, plan, (&scope, url, told))?;
    let mut fenced = Fenced::default();
    disturb(&mut cluster, plan, &mut fenced).await?;
    let mut all = Vec::new();
    while let Some(story) = tokio::time::timeout(END, stories.recv()).await.context("a job did not end")? {
        all.push(story?);
    }
    ensure!(all.len() == plan.jobs as usize, "{} of {} jobs were told", all.len(), plan.jobs);
    check(&cluster, &hook, &all).await?;
    for name in [cluster.names(Role::Gate), cluster.names(Role::Manager)].concat() {
        fenced.note(&cluster, &name).await;
    }
    report(&hook, &all, &fenced);
    fenced.ensure_some(plan)
}

/// Refusals of stale tokens. Counters end with their process: they are read before it is killed, and at the end.
#[derive(Default)]
struct Fenced(f64);

impl Fenced {
    async fn note(&mut self, cluster: &Cluster, name: &str) {
        let text = cluster.get(name, "/metrics").await.unwrap_or_default();
        self.0 += metrics::sum(&text, "muster_fenced_total", "");
    }

    /// A run of minutes without any has not tried what it is for.
    fn ensure_some(&self, plan: Plan) -> anyhow::Result<()> {
        ensure!(plan.seconds < LONG || self.0 > 0.0, "nothing under a stale token was ever refused");
        Ok(())
    }
}

type Told = tokio::sync::mpsc::Sender<anyhow::Result<Story>>;

/// Spreads the submissions over the time; each job is followed by a task.
fn submit_all(
    cluster: &Cluster,
    plan: Plan,
    (scope, hook, told): (&TaskScope, String, Told),
) -> anyhow::Result<()> {
    for number in 0..plan.jobs {
        let (client, told) = (patient(cluster)?, told.clone());
        let datacenters = 1 + number % u32::from(plan.topology.dcs);
        let notes = notes_file(cluster);
        let wish = Wish { number, datacenters, shards: 1 + number % 4, hook: hook.clone(), notes };
        let after = Duration::from_millis(plan.seconds * 900 * u64::from(number) / u64::from(plan.jobs));
        scope.spawn_until_stop(STORY, async move {
            tokio::time::sleep(after).await;
            let story = tell(client, wish).await;
            _ = told.send(story).await;
        });
    }
    Ok(())
}

/// A client that goes on for as long as the datacenters may be cut off.
fn patient(cluster: &Cluster) -> anyhow::Result<Client> {
    let urls = cluster
        .names(Role::Gate)
        .into_iter()
        .map(|gate| Ok(format!("http://{}", cluster.plan(&gate)?.http())));
    let gates = urls.collect::<anyhow::Result<Vec<String>>>()?;
    Ok(Client::new(ClientOptions { gates, token: None, deadline: SETTLE })?)
}

/// Kills or pauses a random gate again and again; cuts the last datacenter off in the middle.
async fn disturb(cluster: &mut Cluster, plan: Plan, fenced: &mut Fenced) -> anyhow::Result<()> {
    let (clock, gates) = (Clock::system(), cluster.names(Role::Gate));
    let (began, site) = (clock.now(), format!("dc{}", plan.topology.dcs));
    let cut_at = plan.seconds / 3..plan.seconds / 3 + plan.cut_seconds;
    while began.elapsed() < Duration::from_secs(plan.seconds) {
        cut(cluster, &site, cut_at.contains(&began.elapsed().as_secs()))?;
        strike(cluster, &gates[random::below(gates.len() as u64) as usize], fenced).await?;
    }
    cut(cluster, &site, false)
}

fn cut(cluster: &Cluster, site: &str, cut: bool) -> anyhow::Result<()> {
    match cut {
        true => cluster.sites()?.cut(site),
        false => cluster.sites()?.heal(site),
    }
}

/// One gate is killed and started again, or stopped for a while; then the others have a rest.
async fn strike(cluster: &mut Cluster, gate: &str, fenced: &mut Fenced) -> anyhow::Result<()> {
    let pause = Duration::from_millis(1_000 + random::below(4_000));
    match random::below(2) {
        0 => {
            fenced.note(cluster, gate).await;
            restart(cluster, gate, pause).await?;
        }
        _ => freeze(cluster, gate, pause).await?,
    }
    cluster.ready(gate).await?;
    tokio::time::sleep(pause / 2).await;
    Ok(())
}

async fn restart(cluster: &mut Cluster, gate: &str, pause: Duration) -> anyhow::Result<()> {
    cluster.kill(gate)?;
    tokio::time::sleep(pause / 2).await;
    cluster.spawn(gate)
}

async fn freeze(cluster: &mut Cluster, gate: &str, pause: Duration) -> anyhow::Result<()> {
    cluster.pause(gate)?;
    tokio::time::sleep(pause).await;
    cluster.resume(gate)
}

async fn check(cluster: &Cluster, hook: &Hook, stories: &[Story]) -> anyhow::Result<()> {
    let notes = Notes::read(&notes_file(cluster));
    ensure!(notes.twice().is_empty(), "executed twice: {:?}", notes.twice());
    ensure!(notes.unfenced().is_empty(), "under a fence that does not rise: {:?}", notes.unfenced());
    let checks = stream::iter(stories).map(|story| check_one(cluster, (hook, &notes), story));
    let wrong = checks.buffer_unordered(CHECKS);
    let wrong = wrong.filter_map(|outcome| async move { outcome.err().map(|error| format!("{error:#}")) });
    let wrong: Vec<String> = wrong.collect().await;
    let count = stories.len();
    ensure!(wrong.is_empty(), "{} of {count} jobs went wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// Every attempt writes there when it starts and ends.
fn notes_file(cluster: &Cluster) -> String {
    cluster.data_dir("notes").display().to_string()
}

async fn check_one(cluster: &Cluster, (hook, notes): (&Hook, &Notes), story: &Story) -> anyhow::Result<()> {
    let gates = cluster.names(Role::Gate).into_iter().map(|gate| cluster.client_of(&[gate]));
    let gates = gates.collect::<anyhow::Result<Vec<Client>>>()?;
    story.check_stream(&gates).await?;
    let mut views: Vec<JobView> = Vec::new();
    let id = story.job.to_string();
    for gate in &gates {
        views.push(gate.job(&id).await?);
    }
    let results: JobResults = cluster.client()?.results(&id).await?;
    story.check_end(&views, &results)?;
    story.check_notes(&results, notes)?;
    settled(hook, story).await
}

/// The last deliveries may be under way.
async fn settled(hook: &Hook, story: &Story) -> anyhow::Result<()> {
    let mut ask = || async { story.check_hook(&hook.of(story.job)).map_err(|error| format!("{error:#}")) };
    within(SETTLE, "every delivery of a webhook", &mut ask).await
}

fn report(hook: &Hook, stories: &[Story], fenced: &Fenced) {
    let events: usize = stories.iter().map(|story| story.events.len()).sum();
    println!("| jobs ended once and right on every gate | {} |", stories.len());
    println!("| events followed without gap or repeat, told the same by every gate | {events} |");
    println!("| deliveries to webhooks, refused ones included | {} |", hook.count());
    println!("| of these under a token that was stale, refused by the receiver | {} |", hook.stale());
    println!("| refusals of stale tokens by gates and managers | {:.0} |", fenced.0);
}

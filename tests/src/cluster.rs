//! A whole cluster of processes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use muster_client::{Client, ClientOptions};
use muster_sites::Sites;
use muster_wire::api::{GroupView, JobView, Page};
use nix::sys::signal::Signal;
use tempfile::TempDir;

pub use crate::plan::{NodePlan, Role, Topology};
use crate::plan::{placed, plan};
use crate::process::{Process, Program};
use crate::wait::{PATIENCE, eventually, within};
use crate::{config, metrics};

/// Nodes as processes, with their files in one temporary directory.
pub struct Cluster {
    topology: Topology,
    plans: Vec<NodePlan>,
    running: BTreeMap<String, Process>,
    settings: Vec<(String, String)>,
    dir: TempDir,
    http: reqwest::Client,
    /// Dropped after the processes.
    sites: Option<Sites>,
}

impl Cluster {
    /// Plans a cluster and writes its files; nothing runs yet.
    pub fn prepare(topology: Topology) -> anyhow::Result<Self> {
        Self::prepare_in(topology, None)
    }

    /// The same with each datacenter, and the gates, in a network namespace of its own.
    pub fn prepare_in_sites(topology: Topology) -> anyhow::Result<Self> {
        let mut names: Vec<String> = plan(topology).into_iter().map(|plan| plan.datacenter).collect();
        names.dedup();
        Self::prepare_in(topology, Some(Sites::create(&names)?))
    }

    fn prepare_in(topology: Topology, sites: Option<Sites>) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("muster-").tempdir()?;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        let cluster = Self {
            topology,
            plans: placed(plan(topology), sites.as_ref())?,
            running: BTreeMap::new(),
            settings: Vec::new(),
            dir,
            http,
            sites,
        };
        cluster.write_configs()?;
        Ok(cluster)
    }

    /// Starts every node and waits until all are ready.
    pub async fn start(topology: Topology) -> anyhow::Result<Self> {
        let mut cluster = Self::prepare(topology)?;
        cluster.start_all().await?;
        Ok(cluster)
    }

    /// Passes `--set key=value` to nodes started from now on.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.push((key.to_owned(), value.to_owned()));
    }

    fn write_configs(&self) -> anyhow::Result<()> {
        for plan in &self.plans {
            let text = config::render(plan, &self.plans, &self.topology, &self.data_dir(&plan.name));
            std::fs::write(self.dir.path().join(format!("{}.toml", plan.name)), text)?;
        }
        Ok(())
    }

    /// A node's data directory.
    pub fn data_dir(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// A node's plan.
    pub fn plan(&self, name: &str) -> anyhow::Result<&NodePlan> {
        self.plans.iter().find(|plan| plan.name == name).with_context(|| format!("no node {name}"))
    }

    /// The sites, where there are any.
    pub fn sites(&self) -> anyhow::Result<&Sites> {
        self.sites.as_ref().context("this cluster has no sites")
    }

    /// Names of all nodes of a role.
    pub fn names(&self, role: Role) -> Vec<String> {
        self.plans.iter().filter(|plan| plan.role == role).map(|plan| plan.name.clone()).collect()
    }

    /// Starts one node without waiting.
    pub fn spawn(&mut self, name: &str) -> anyhow::Result<()> {
        self.spawn_with(name, &[])
    }

    /// Starts one node with environment variables of its own.
    pub fn spawn_with(&mut self, name: &str, environment: &[(&str, &str)]) -> anyhow::Result<()> {
        let plan = self.plan(name)?.clone();
        let config = self.dir.path().join(format!("{name}.toml")).display().to_string();
        let mut args = vec!["--config".to_owned(), config];
        for (key, value) in &self.settings {
            args.extend(["--set".to_owned(), format!("{key}={value}")]);
        }
        let log = self.dir.path().join(format!("{name}.log"));
        let crash_file = self.crash_file(name).display().to_string();
        let armed = [("MUSTER_CRASH_FILE", crash_file.as_str())];
        let environment: Vec<(&str, &str)> = armed.into_iter().chain(environment.iter().copied()).collect();
        let namespace = self.sites.as_ref().map(|sites| sites.namespace(&plan.datacenter));
        let (role, args) = (plan.role.word(), args.as_slice());
        let what = Program { name, role, args, namespace, environment: &environment };
        let process = Process::start(what, &log)?;
        self.running.insert(name.to_owned(), process);
        Ok(())
    }

    fn crash_file(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(format!("{name}.crash"))
    }

    /// Lets a running node die when it next reaches a crash point.
    pub fn arm(&self, name: &str, point: &str) -> anyhow::Result<()> {
        std::fs::write(self.crash_file(name), point).context("arm a crash point")
    }

    /// Waits for an armed node's death, and disarms it.
    pub async fn died(&mut self, name: &str) -> anyhow::Result<()> {
        self.node(name)?.exit(PATIENCE).await?;
        std::fs::remove_file(self.crash_file(name)).context("disarm a crash point")?;
        self.kill(name)
    }

    /// Starts every node that does not run and waits until all are ready.
    pub async fn start_all(&mut self) -> anyhow::Result<()> {
        let missing: Vec<String> = self
            .plans
            .iter()
            .map(|plan| plan.name.clone())
            .filter(|name| !self.running.contains_key(name))
            .collect();
        for name in &missing {
            self.spawn(name)?;
        }
        for name in &missing {
            self.ready(name).await?;
        }
        Ok(())
    }

    /// Waits until a node says that it is ready.
    pub async fn ready(&self, name: &str) -> anyhow::Result<()> {
        let url = format!("http://{}/readyz?verbose", self.plan(name)?.http());
        let outcome = eventually(&format!("{name} to be ready"), || self.is_ready(&url)).await;
        outcome.map_err(|error| anyhow::anyhow!("{error}\n{}", self.tail(name)))
    }

    async fn is_ready(&self, url: &str) -> Result<(), String> {
        let answer = self.http.get(url).send().await.map_err(|error| error.to_string())?;
        match answer.status().is_success() {
            true => Ok(()),
            false => Err(answer.text().await.unwrap_or_default()),
        }
    }

    /// The last lines that a node wrote.
    pub fn tail(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.dir.path().join(format!("{name}.log"))).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// A running node.
    pub fn node(&mut self, name: &str) -> anyhow::Result<&mut Process> {
        self.running.get_mut(name).with_context(|| format!("{name} does not run"))
    }

    /// `kill -9`.
    pub fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        self.node(name)?.kill()?;
        self.running.remove(name);
        Ok(())
    }

    /// `kill -9` of many at once: all are signalled before any is waited for.
    pub fn kill_all(&mut self, roles: &[Role]) -> anyhow::Result<()> {
        let names: Vec<String> = roles.iter().flat_map(|role| self.names(*role)).collect();
        for name in &names {
            self.node(name)?.signal(Signal::SIGKILL)?;
        }
        names.iter().try_for_each(|name| self.kill(name))
    }

    /// Stops a node's process without ending it.
    pub fn pause(&mut self, name: &str) -> anyhow::Result<()> {
        self.node(name)?.signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    pub fn resume(&mut self, name: &str) -> anyhow::Result<()> {
        self.node(name)?.signal(Signal::SIGCONT)
    }

    /// Moves every node to other ports; they must not run.
    pub fn change_ports(&mut self) -> anyhow::Result<()> {
        for plan in &mut self.plans {
            plan.port += 100;
        }
        self.write_configs()
    }

    /// A client of all gates.
    pub fn client(&self) -> anyhow::Result<Client> {
        let gates: Vec<String> = self.names(Role::Gate);
        self.client_of(&gates)
    }

    /// A client of some gates.
    pub fn client_of(&self, gates: &[String]) -> anyhow::Result<Client> {
        let urls: anyhow::Result<Vec<String>> =
            gates.iter().map(|name| Ok(format!("http://{}", self.plan(name)?.http()))).collect();
        Ok(Client::new(ClientOptions { gates: urls?, token: None, deadline: PATIENCE })?)
    }

    /// A path of a node's HTTP API as text.
    pub async fn get(&self, name: &str, path: &str) -> anyhow::Result<String> {
        let url = format!("http://{}{path}", self.plan(name)?.http());
        Ok(self.http.get(url).send().await?.error_for_status()?.text().await?)
    }

    /// A call of a node's HTTP API with a body of a content type; the answer's status and text.
    pub async fn send(
        &self,
        method: reqwest::Method,
        (name, path): (&str, &str),
        (content_type, body): (&str, &str),
    ) -> anyhow::Result<(reqwest::StatusCode, String)> {
        let url = format!("http://{}{path}", self.plan(name)?.http());
        let request = self.http.request(method, url).header("content-type", content_type);
        let answer = request.body(body.to_owned()).send().await?;
        Ok((answer.status(), answer.text().await?))
    }

    /// A call with a JSON body that holds only for a version.
    pub async fn send_if(
        &self,
        method: reqwest::Method,
        (name, path): (&str, &str),
        (version, body): (&str, &str),
    ) -> anyhow::Result<(reqwest::StatusCode, String)> {
        let url = format!("http://{}{path}", self.plan(name)?.http());
        let request = self.http.request(method, url).header("content-type", "application/json");
        let answer = request.header("if-match", version).body(body.to_owned()).send().await?;
        Ok((answer.status(), answer.text().await?))
    }

    /// The sum of a metric over some nodes; nodes that do not answer count nothing.
    pub async fn metric(&self, roles: &[Role], metric: &str, labels: &str) -> f64 {
        let mut total = 0.0;
        for name in roles.iter().flat_map(|role| self.names(*role)) {
            let text = self.get(&name, "/metrics").await.unwrap_or_default();
            total += metrics::sum(&text, metric, labels);
        }
        total
    }

    /// The node of a role that leads a job's group.
    pub async fn leader(&self, role: Role, job: &str) -> anyhow::Result<String> {
        eventually(&format!("a {} that leads {job}", role.word()), || self.find_leader(role, job)).await
    }

    async fn find_leader(&self, role: Role, job: &str) -> Result<String, String> {
        for name in self.names(role).into_iter().filter(|name| self.running.contains_key(name)) {
            let text = self.get(&name, &format!("/v1/groups/{job}")).await.unwrap_or_default();
            let group: Option<GroupView> = serde_json::from_str(&text).ok();
            if group.is_some_and(|group| group.role == "leader") {
                return Ok(name);
            }
        }
        Err("nobody leads".into())
    }

    /// The node of a role that leads its directory.
    pub async fn directory_leader(&self, role: Role) -> anyhow::Result<String> {
        let what = format!("a {} that leads the directory", role.word());
        eventually(&what, || self.find_directory_leader(role)).await
    }

    async fn find_directory_leader(&self, role: Role) -> Result<String, String> {
        for name in self.names(role).into_iter().filter(|name| self.running.contains_key(name)) {
            let text = self.get(&name, "/v1/groups").await.unwrap_or_default();
            let groups: Option<Page<GroupView>> = serde_json::from_str(&text).ok();
            let mut groups = groups.into_iter().flat_map(|page| page.items);
            if groups.any(|group| group.job.is_none() && group.role == "leader") {
                return Ok(name);
            }
        }
        Err("nobody leads".into())
    }

    /// Submits a job file's text and gives its id.
    pub async fn submit(&self, toml: &str) -> anyhow::Result<String> {
        let body = toml.as_bytes().to_vec();
        let submission = muster_client::Submission { body, content_type: "application/toml", key: None };
        let (submitted, _) = self.client()?.submit(submission).await?;
        Ok(submitted.id.to_string())
    }

    /// Waits until a job has ended.
    pub async fn finished(&self, job: &str, patience: Duration) -> anyhow::Result<JobView> {
        let client = self.client()?;
        let mut ask = || async {
            let view = client.job(job).await.map_err(|error| error.to_string())?;
            match view.status.is_terminal() {
                true => Ok(view),
                false => Err(format!("{:?}", (view.status, view.datacenters, view.errors))),
            }
        };
        match within(patience, &format!("the end of {job}"), &mut ask).await {
            Ok(view) => Ok(view),
            Err(error) => Err(error.context(self.diagnosis(job).await)),
        }
    }

    /// What every gate and manager knows of a job, and what it wrote last.
    async fn diagnosis(&self, job: &str) -> String {
        let mut said = String::new();
        for name in [Role::Gate, Role::Manager].iter().flat_map(|role| self.names(*role)) {
            for path in [format!("/v1/groups/{job}"), format!("/v1/jobs/{job}/explain")] {
                let answer = self.get(&name, &path).await.unwrap_or_else(|error| format!("{error:#}"));
                said.push_str(&format!("\n{name}{path}: {answer}"));
            }
            let process = self.running.get(&name).map_or_else(|| "not running".into(), Process::last_words);
            said.push_str(&format!("\n{name}: {process}"));
        }
        said
    }

    /// Waits until a job is running at least so many shards.
    pub async fn running_shards(&self, job: &str, wanted: u32) -> anyhow::Result<JobView> {
        let client = self.client()?;
        eventually(&format!("{wanted} running shards of {job}"), || async {
            let view = client.job(job).await.map_err(|error| error.to_string())?;
            let running: u32 = view.workflows.iter().map(|workflow| workflow.shards.running).sum();
            match running >= wanted {
                true => Ok(view),
                false => Err(format!("{running} running, job {}", view.status)),
            }
        })
        .await
    }
}

impl Drop for Cluster {
    /// A failed test leaves its files, with the nodes' logs, for whoever looks into it.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.dir.disable_cleanup(true);
            eprintln!("the cluster's files are kept in {}", self.dir.path().display());
        }
    }
}

//! Three benched processes, the load's links to them, and what the system says about them.

use std::net::TcpListener as Port;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use muster_link::{LinkConfig, LinkParts, Links};
use muster_runtime::{Clock, TaskScope, random};
use muster_sites::Sites;
use muster_wire::rpc::Call;
use muster_wire::{Generation, JobId, NodeId, Role};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::calls::{AskLeader, AskNode, Create, GetAt, NodeState, PutAt};
use crate::{node, relay};

const READY_WITHIN: Duration = Duration::from_secs(60);

/// Where one node runs.
struct Place {
    name: String,
    /// Where it listens, and the load calls it.
    listen: String,
    /// Where the other nodes call it.
    rpc: String,
    swim: String,
    dir: PathBuf,
    /// The network namespace that it runs in, if not this one.
    namespace: Option<String>,
    process: Option<Child>,
}

/// Three nodes and the load's way to them.
pub struct Cluster {
    places: Vec<Place>,
    links: Links,
    times: (u64, u64),
    founders: usize,
    dir: TempDir,
    scope: TaskScope,
    /// Behind the nodes, which end before their namespaces are deleted.
    sites: Option<Sites>,
}

impl Cluster {
    /// Starts three nodes on fresh folders under `TMPDIR`, whose groups sleep and leave memory after these times, s.
    pub async fn start(sleep_after: u64, evict_after: u64) -> anyhow::Result<Self> {
        Self::of(3, (sleep_after, evict_after)).await
    }

    /// Starts so many nodes, founded together.
    pub async fn of(founders: usize, times: (u64, u64)) -> anyhow::Result<Self> {
        let mut cluster = Self::empty(founders, times).await?;
        for _ in 0..founders {
            cluster.add_place()?;
        }
        cluster.found().await?;
        Ok(cluster)
    }

    /// Starts three nodes that hear from each other this much later than they would, as over a long way.
    pub async fn far_apart(later: Duration) -> anyhow::Result<Self> {
        let mut cluster = Self::empty(3, (10, 300)).await?;
        for _ in 0..3 {
            let at = cluster.add_place()?;
            let way = TcpListener::bind("127.0.0.1:0").await?;
            let place = cluster.places.get_mut(at).context("no such node")?;
            place.rpc = way.local_addr()?.to_string();
            relay::start(&cluster.scope, way, (place.listen.clone(), later));
        }
        cluster.found().await?;
        Ok(cluster)
    }

    /// Starts three nodes, each in a network namespace of its own; `Err` where this machine does not allow that.
    pub async fn on_sites() -> anyhow::Result<Self> {
        let names: Vec<String> = (1..=3).map(|number| format!("b{number}")).collect();
        let sites = Sites::create(&names)?;
        let mut cluster = Self::empty(names.len(), (10, 300)).await?;
        for name in &names {
            let at = cluster.add_place()?;
            let place = cluster.places.get_mut(at).context("no such node")?;
            place.move_to(&sites.address(name, 0)?, sites.namespace(name));
        }
        cluster.sites = Some(sites);
        cluster.found().await?;
        Ok(cluster)
    }

    /// Drops every frame from and to a node's site.
    pub fn cut(&self, at: usize) -> anyhow::Result<()> {
        self.sites.as_ref().context("this cluster has no sites")?.cut(&self.places[at].name)
    }

    /// Lets them through again.
    pub fn heal(&self, at: usize) -> anyhow::Result<()> {
        self.sites.as_ref().context("this cluster has no sites")?.heal(&self.places[at].name)
    }

    async fn empty(founders: usize, times: (u64, u64)) -> anyhow::Result<Self> {
        let (dir, scope) = (TempDir::new()?, TaskScope::new());
        let links = links(&scope).await?;
        Ok(Self { places: Vec::new(), founders, links, times, dir, scope, sites: None })
    }

    async fn found(&mut self) -> anyhow::Result<()> {
        for at in 0..self.founders {
            self.spawn(at)?;
        }
        self.ready().await
    }

    fn add_place(&mut self) -> anyhow::Result<usize> {
        self.places.push(Place::new(self.places.len() + 1, self.dir.path().to_owned())?);
        Ok(self.places.len() - 1)
    }

    /// Starts one more node, which joins.
    pub async fn join(&mut self) -> anyhow::Result<usize> {
        let at = self.add_place()?;
        self.spawn(at)?;
        self.ready().await?;
        Ok(at)
    }

    /// Stops a node in a planned way and waits for its end.
    pub async fn stop(&mut self, at: usize) -> anyhow::Result<()> {
        self.signal(at, "INT").await?;
        let process = self.places.get_mut(at).and_then(|place| place.process.take());
        let mut process = process.context("no such process")?;
        tokio::time::timeout(READY_WITHIN, process.wait()).await.context("it does not stop")??;
        Ok(())
    }

    /// New ports for a node that does not run.
    pub fn move_ports(&mut self, at: usize) -> anyhow::Result<()> {
        let fresh = Place::new(at + 1, self.dir.path().to_owned())?;
        let place = self.places.get_mut(at).context("no such node")?;
        (place.listen, place.rpc, place.swim) = (fresh.listen, fresh.rpc, fresh.swim);
        Ok(())
    }

    /// A node's folder.
    pub fn folder(&self, at: usize) -> &std::path::Path {
        &self.places[at].dir
    }

    /// Starts a node's process.
    pub fn spawn(&mut self, at: usize) -> anyhow::Result<()> {
        let listed = |place: &Place| format!("{}={},{}", place.name, place.rpc, place.swim);
        let members: Vec<String> = self.places.iter().take(self.founders).map(listed).collect();
        let (sleep_after, evict_after) = self.times;
        let place = self.places.get_mut(at).context("no such node")?;
        let mut command = this_program(place.namespace.as_deref())?;
        command.arg("node").arg(listed(place)).arg(&place.dir).args(members);
        command.env(node::LISTEN, &place.listen);
        command.env("BENCH_REPLACE_AFTER", "5");
        command.env("BENCH_SLEEP_AFTER", sleep_after.to_string());
        command.env("BENCH_EVICT_AFTER", evict_after.to_string());
        let log = std::fs::File::create(place.dir.with_extension("log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        place.process = Some(command.spawn()?);
        Ok(())
    }

    /// Kills a node's process at once.
    pub async fn kill(&mut self, at: usize) -> anyhow::Result<()> {
        let process = self.places.get_mut(at).and_then(|place| place.process.take());
        let mut process = process.context("no such process")?;
        process.kill().await?;
        Ok(())
    }

    /// Waits until every running node sees as many active members as there are nodes, and a leader.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let waiting = async {
            while !self.is_ready().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(READY_WITHIN, waiting).await.context("the nodes are not ready in time")
    }

    async fn is_ready(&self) -> bool {
        let running = self.running();
        for at in &running {
            if !self.state(*at).await.is_ok_and(|state| state.serves(running.len())) {
                return false;
            }
        }
        true
    }

    /// Nodes whose process runs.
    pub fn running(&self) -> Vec<usize> {
        (0..self.places.len()).filter(|at| self.places[*at].process.is_some()).collect()
    }

    fn addr(&self, at: usize) -> &str {
        &self.places[at].listen
    }

    /// What a node holds.
    pub async fn state(&self, at: usize) -> anyhow::Result<NodeState> {
        Ok(self.links.call(self.addr(at), &AskNode {}, Duration::from_secs(5)).await?)
    }

    /// Makes a job's group at a node.
    pub async fn create(&self, at: usize, job: JobId) -> anyhow::Result<()> {
        self.links.call(self.addr(at), &Create { job }, Duration::from_secs(30)).await?;
        Ok(())
    }

    /// Puts a value through a node.
    pub async fn put(&self, at: usize, put: PutAt) -> anyhow::Result<()> {
        let within = Duration::from_millis(put.within_ms);
        self.links.call(self.addr(at), &put, within + Duration::from_millis(50)).await?;
        Ok(())
    }

    /// Reads a key through a node, linearizably.
    pub async fn get(&self, at: usize, get: GetAt) -> anyhow::Result<Option<Bytes>> {
        let within = Duration::from_millis(get.within_ms + 50);
        Ok(self.links.call(self.addr(at), &get, within).await?)
    }

    /// Makes any call of a node.
    pub async fn call<C: Call>(&self, at: usize, call: &C) -> anyhow::Result<C::Reply> {
        Ok(self.links.call(self.addr(at), call, Duration::from_secs(10)).await?)
    }

    /// Which node leads a job, as another one believes.
    pub async fn leader(&self, asked: usize, job: JobId) -> anyhow::Result<usize> {
        let member = self.links.call(self.addr(asked), &AskLeader { job }, Duration::from_secs(5)).await?;
        (member as usize).checked_sub(1).context("nobody leads")
    }

    /// CPU time used by a node so far, in seconds, and its resident bytes.
    pub fn used(&self, at: usize) -> anyhow::Result<(f64, u64)> {
        used(self.process(at)?)
    }

    fn process(&self, at: usize) -> anyhow::Result<u32> {
        self.places[at].process.as_ref().and_then(Child::id).context("it does not run")
    }

    /// Stops a node without a word; `CONT` brings it back. The signal comes back before the last thread stands still, and
    /// until then the node may answer.
    pub async fn pause(&self, at: usize) -> anyhow::Result<()> {
        self.signal(at, "STOP").await?;
        let process = self.process(at)?;
        let standing = async {
            while !stands_still(process)? {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(())
        };
        tokio::time::timeout(READY_WITHIN, standing).await.context("it does not stand still")?
    }

    /// Sends a signal to a node's process.
    pub async fn signal(&self, at: usize, signal: &str) -> anyhow::Result<()> {
        let process = self.process(at)?;
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(process.to_string()).status().await?;
        anyhow::ensure!(sent.success(), "the signal was not sent");
        Ok(())
    }

    /// Waits until all running nodes hold so many groups in the state at this place of [`NodeState::groups`].
    pub async fn all_hold(&self, place: usize, groups: usize, within: Duration) -> anyhow::Result<()> {
        let waiting = async {
            for at in self.running() {
                while self.state(at).await.map_or(0, |state| state.groups[place]) < groups {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        };
        tokio::time::timeout(within, waiting)
            .await
            .with_context(|| format!("state {place} is not reached in time"))
    }

    /// CPU used by all running nodes over some seconds, in per cent of a core.
    pub async fn cpu_percent(&self, over: Duration) -> anyhow::Result<f64> {
        let before = self.cpu()?;
        tokio::time::sleep(over).await;
        Ok((self.cpu()? - before) / over.as_secs_f64() * 100.0)
    }

    /// CPU time used by all running nodes so far, in seconds.
    pub fn cpu(&self) -> anyhow::Result<f64> {
        self.running().into_iter().map(|at| Ok(self.used(at)?.0)).sum()
    }

    /// Resident bytes of all running nodes.
    pub fn resident(&self) -> anyhow::Result<u64> {
        self.running().into_iter().map(|at| Ok(self.used(at)?.1)).sum()
    }
}

/// CPU seconds and resident bytes of a process.
pub fn used(process: u32) -> anyhow::Result<(f64, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    let pages = fields.get(21).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Ok(((ticks(11) + ticks(12)) / 100.0, pages * 4096))
}

/// Is every thread of a process stopped?
fn stands_still(process: u32) -> anyhow::Result<bool> {
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let stat = std::fs::read_to_string(thread?.path().join("stat"))?;
        let state = stat.rsplit(") ").next().unwrap_or_default();
        if !state.starts_with('T') {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Place {
    fn new(number: usize, dir: PathBuf) -> anyhow::Result<Self> {
        let port = || Ok::<_, std::io::Error>(Port::bind("127.0.0.1:0")?.local_addr()?.port());
        let name = format!("b{number}");
        let dir = dir.join(&name);
        std::fs::create_dir_all(&dir)?;
        let (rpc, swim) = (format!("127.0.0.1:{}", port()?), format!("127.0.0.1:{}", port()?));
        Ok(Self { name, listen: rpc.clone(), rpc, swim, dir, namespace: None, process: None })
    }

    /// Into a namespace in which it has this address to itself.
    fn move_to(&mut self, address: &str, namespace: String) {
        (self.rpc, self.swim) = (format!("{address}:7101"), format!("{address}:7102"));
        self.listen = self.rpc.clone();
        self.namespace = Some(namespace);
    }
}

/// This program, in a namespace. `ip` replaces itself by it, so that signals meet the program.
fn this_program(namespace: Option<&str>) -> anyhow::Result<Command> {
    let program = std::env::current_exe()?;
    let Some(namespace) = namespace else { return Ok(Command::new(program)) };
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program);
    Ok(command)
}

async fn links(scope: &TaskScope) -> anyhow::Result<Links> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?.to_string();
    let hello = node::hello(NodeId(random::bits128()), (Role::Worker, "load", &addr), Generation(1));
    let parts = LinkParts { listener, hello, scope: scope.clone(), clock: Clock::system() };
    Ok(Links::start(LinkConfig::default(), parts))
}

/// A job of its own.
pub fn new_job() -> JobId {
    JobId::new(Clock::system().unix_ms(), random::bits128())
}

/// 256 bytes.
pub fn value() -> Bytes {
    Bytes::from_static(&[0x5a; 256])
}

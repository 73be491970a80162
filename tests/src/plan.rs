//! Which nodes a cluster has, and where.

use std::sync::atomic::{AtomicU32, Ordering};

use muster_sites::Sites;

/// How many nodes of each kind.
#[derive(Clone, Copy, Debug)]
pub struct Topology {
    /// Gates.
    pub gates: u8,
    /// Datacenters.
    pub dcs: u8,
    /// Managers in each datacenter.
    pub managers: u8,
    /// Workers in each datacenter.
    pub workers: u8,
    /// Cores of each worker.
    pub cores: u32,
}

impl Topology {
    /// Three gates, one datacenter of three managers and two workers.
    pub const HA: Self = Self { gates: 3, dcs: 1, managers: 3, workers: 2, cores: 4 };
    /// One of each.
    pub const SMALL: Self = Self { gates: 1, dcs: 1, managers: 1, workers: 1, cores: 4 };
}

/// What a node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Gate.
    Gate,
    /// Manager.
    Manager,
    /// Worker.
    Worker,
}

impl Role {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Manager => "manager",
            Self::Worker => "worker",
        }
    }
}

/// Where a node is to be.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// `g1`, `dc1-m2`, `dc2-w1`.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Its datacenter; of gates: `edge`.
    pub datacenter: String,
    /// Its address in 127.0.0.0/8.
    pub host: String,
    /// Its http port; rpc and swim follow.
    pub port: u16,
    /// Not among the initial members.
    pub late: bool,
}

impl NodePlan {
    /// `host:port` of HTTP.
    pub fn http(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// `host:port` of rpc.
    pub fn rpc(&self) -> String {
        format!("{}:{}", self.host, self.port + 1)
    }

    /// `host:port` of SWIM.
    pub fn swim(&self) -> String {
        format!("{}:{}", self.host, self.port + 2)
    }
}

/// Clusters of one test process get different addresses.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// `127.a.b`: of this process and this cluster.
fn network() -> String {
    let cluster = NEXT.fetch_add(1, Ordering::Relaxed);
    let mixed = std::process::id().wrapping_mul(31).wrapping_add(cluster.wrapping_mul(7919));
    format!("127.{}.{}", 1 + mixed % 250, 1 + (mixed / 250) % 250)
}

pub(crate) fn plan(topology: Topology) -> Vec<NodePlan> {
    let gates = (1..=topology.gates).map(|gate| (format!("g{gate}"), Role::Gate, "edge".to_owned()));
    let datacenters = (1..=topology.dcs).flat_map(|dc| plan_datacenter(topology, dc));
    let network = network();
    let place = |(at, (name, role, datacenter)): (usize, (String, Role, String))| {
        let host = format!("{network}.{}", at + 1);
        NodePlan { name, role, datacenter, host, port: 7400, late: false }
    };
    gates.chain(datacenters).enumerate().map(place).collect()
}

fn plan_datacenter(topology: Topology, dc: u8) -> Vec<(String, Role, String)> {
    let managers = (1..=topology.managers).map(|at| (format!("dc{dc}-m{at}"), Role::Manager));
    let workers = (1..=topology.workers).map(|at| (format!("dc{dc}-w{at}"), Role::Worker));
    managers.chain(workers).map(|(name, role)| (name, role, format!("dc{dc}"))).collect()
}

/// Moves planned nodes to their sites' addresses.
pub(crate) fn placed(mut plans: Vec<NodePlan>, sites: Option<&Sites>) -> anyhow::Result<Vec<NodePlan>> {
    let Some(sites) = sites else { return Ok(plans) };
    for (number, plan) in plans.iter_mut().enumerate() {
        plan.host = sites.address(&plan.datacenter, number)?;
    }
    Ok(plans)
}

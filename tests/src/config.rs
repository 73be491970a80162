//! Configuration files of a test cluster.

use std::fmt::Write as _;
use std::path::Path;

use crate::cluster::{NodePlan, Role, Topology};

/// The TOML of one node.
pub fn render(plan: &NodePlan, all: &[NodePlan], topology: &Topology, data: &Path) -> String {
    let mut text = String::new();
    let dc = &plan.datacenter;
    let _ = write!(
        text,
        "[node]\nname = \"{}\"\ndata_dir = \"{}\"\ncluster = \"test\"\ndatacenter = \"{dc}\"\n\
         [listen]\nhttp = \"{}\"\nrpc = \"{}\"\nswim = \"{}\"\n",
        plan.name,
        data.display(),
        plan.http(),
        plan.rpc(),
        plan.swim(),
    );
    text + &cluster_section(plan, all)
        + &role_section(plan, all, topology)
        + "[telemetry]\nlog = \"info,muster_gate=debug,muster_manager=debug,muster_worker=debug\"\n"
}

fn cluster_section(plan: &NodePlan, all: &[NodePlan]) -> String {
    match plan.role {
        Role::Worker => {
            let seeds: Vec<String> =
                managers(all, &plan.datacenter).map(|peer| format!("\"{}\"", peer.swim())).collect();
            format!("[cluster]\njoin = [{}]\n", seeds.join(", "))
        }
        Role::Gate | Role::Manager => {
            let same =
                |peer: &&NodePlan| peer.role == plan.role && peer.datacenter == plan.datacenter && !peer.late;
            let members: Vec<String> = all.iter().filter(same).map(member).collect();
            format!("[cluster]\ninitial_members = [{}]\n", members.join(", "))
        }
    }
}

fn member(plan: &NodePlan) -> String {
    format!("{{ name = \"{}\", rpc = \"{}\", swim = \"{}\" }}", plan.name, plan.rpc(), plan.swim())
}

fn managers<'a>(all: &'a [NodePlan], datacenter: &'a str) -> impl Iterator<Item = &'a NodePlan> {
    all.iter().filter(move |peer| peer.role == Role::Manager && peer.datacenter == datacenter)
}

fn role_section(plan: &NodePlan, all: &[NodePlan], topology: &Topology) -> String {
    match plan.role {
        Role::Manager => String::new(),
        Role::Worker => format!("[worker]\ncores = {}\norphan_grace = \"60s\"\n", topology.cores),
        Role::Gate => {
            let mut text = "[gate.datacenters]\n".to_owned();
            for dc in 1..=topology.dcs {
                let name = format!("dc{dc}");
                let rpcs: Vec<String> =
                    managers(all, &name).map(|peer| format!("\"{}\"", peer.rpc())).collect();
                let _ = writeln!(text, "{name} = [{}]", rpcs.join(", "));
            }
            text
        }
    }
}

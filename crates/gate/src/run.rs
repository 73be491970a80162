//! From a configuration to a running gate.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use muster_node::driver::Driver;
use muster_node::process::{self, Program, Stop};
use muster_node::{BootError, BootParts, Config, Node};
use muster_runtime::task::Late;
use muster_wire::Role;

use crate::config::{GateConfig, Rate};
use crate::gate::{Gate, GateParts};
use crate::machine::GateJob;
use crate::{gauges, handover, http, present, purge, reconcile, service};

/// Longest time that one proposal of a client's request may take.
const PROPOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// A running gate. Cheap to clone: clones are the same gate.
#[derive(Clone)]
pub struct GateNode {
    /// What every node has.
    pub node: Node<GateJob>,
    /// What gates have.
    pub gate: Gate,
    /// Runs the duties of the jobs led here.
    pub driver: Driver,
}

/// The program `muster-gate`, with its arguments, its name first.
pub fn main_with(arguments: Vec<OsString>) -> ExitCode {
    let about = "A gate: accepts jobs and hands them to datacenters";
    let program = Program { name: "muster-gate", about, role: Role::Gate };
    process::run(program, arguments, |parts| async { Ok(run(parts).await?) })
}

/// Starts a gate and waits until it is a member of its cluster. One boxed future, so that the node's code is generated here once and not in every program that starts one.
pub fn run(parts: BootParts) -> BoxFuture<'static, Result<GateNode, BootError>> {
    Box::pin(start(parts))
}

async fn start(parts: BootParts) -> Result<GateNode, BootError> {
    let config = gate_config(&parts.config);
    let node = Node::<GateJob>::start(parts).await?;
    let gate = Gate::new(GateParts {
        config,
        coordinator: node.coordinator.clone(),
        links: node.links.clone(),
        swim: node.swim.clone(),
        scope: node.scope.clone(),
        clock: node.clock.clone(),
    });
    node.coordinator.set_summarizer(Arc::new(present::summary));
    node.serve_calls(service::service(&gate));
    let driver = node.drive(reconcile::all(&gate));
    gauges::start(&gate);
    purge::start(&gate);
    gate.wait_for_membership().await;
    gate.datacenters.first_look().await;
    node.describe_http(http::API);
    node.serve_http(http::routes(&gate));
    Ok(GateNode { node, gate, driver })
}

fn gate_config(config: &Config) -> GateConfig {
    let rate = Rate { count: config.limits.submissions, per: config.limits.submissions_window };
    GateConfig {
        datacenters: config.gate.datacenters.clone(),
        lease: config.gate.lease,
        dc_lost_timeout: config.gate.dc_lost_timeout,
        callback_timeout: config.gate.callback_timeout,
        seal_key: config.security.seal_key.clone(),
        register_timeout: config.groups.register_timeout,
        replication: config.cluster.replication,
        submissions: (rate.count > 0).then_some(rate),
        request_timeout: PROPOSE_TIMEOUT,
    }
}

impl GateNode {
    /// Hands the jobs that it leads to other gates, then ends everything; names the tasks that are late.
    pub async fn shutdown(&self, within: Duration) -> Result<(), Late> {
        let began = self.node.clock.now();
        handover::hand_over_all(&self.gate, within / 3).await;
        self.node.shutdown(within.saturating_sub(self.node.clock.now() - began)).await
    }
}

impl Stop for GateNode {
    fn stop(&self, within: Duration) -> BoxFuture<'_, Result<(), Late>> {
        Box::pin(self.shutdown(within))
    }
}

//! From a started node to a running manager.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use muster_consensus::directory::JobSummary;
use muster_machine::Machine as _;
use muster_node::process::Stop;
use muster_node::{BootError, BootParts, Node};
use muster_runtime::TaskKind;
use muster_runtime::task::Late;
use muster_wire::job::JobStatus;

use crate::gauges;
use crate::http;
use crate::machine::ManagerJob;
use crate::per_job::Forget;
use crate::reconcile::Reconcilers;
use crate::service::service;
use crate::shared::Shared;
use crate::watch::follow_workers;

const TIDY: TaskKind = TaskKind::new("manager_tidy");
const FOLLOW: TaskKind = TaskKind::new("manager_swim");
/// Time between two looks at what may be forgotten.
const TIDY_PERIOD: Duration = Duration::from_secs(5);

/// A running manager. Cheap to clone: clones are the same node.
#[derive(Clone)]
pub struct ManagerNode {
    /// The node: its coordinator, links, HTTP server.
    pub node: Node<ManagerJob>,
    shared: Arc<Shared>,
}

impl ManagerNode {
    /// Founds or rejoins the datacenter's cluster, then serves and drives the jobs that it leads. One boxed future, so that the node's code is generated here once and not in every program that starts one.
    pub fn start(parts: BootParts) -> BoxFuture<'static, Result<Self, BootError>> {
        Box::pin(Self::start_all(parts))
    }

    async fn start_all(parts: BootParts) -> Result<Self, BootError> {
        let node = Node::<ManagerJob>::start(parts).await?;
        let shared = Arc::new(share(&node));
        node.coordinator.set_summarizer(Arc::new(summarize));
        node.serve_calls(service(&shared));
        let reconcilers = Reconcilers::new(&shared);
        let driver = node.drive(reconcilers.all);
        // Set once, here.
        let _first = shared.driver.set(driver);
        gauges::add_health(&node, &shared);
        node.describe_http(http::API);
        node.serve_http(http::routes(&shared));
        let (tidied, followed) = (shared.clone(), shared.clone());
        node.scope.spawn_until_stop(TIDY, async move { tidy(&tidied, reconcilers.memories).await });
        node.scope.spawn_until_stop(FOLLOW, async move { follow_workers(&followed).await });
        Ok(Self { node, shared })
    }

    /// Cores in use by the jobs that this manager leads.
    pub fn cores_used(&self) -> u32 {
        self.shared.load.total()
    }
}

impl Stop for ManagerNode {
    fn stop(&self, within: Duration) -> BoxFuture<'_, Result<(), Late>> {
        Box::pin(self.node.shutdown(within))
    }
}

fn share(node: &Node<ManagerJob>) -> Shared {
    Shared {
        coordinator: node.coordinator.clone(),
        links: node.links.clone(),
        swim: node.swim.clone(),
        clock: node.clock.clone(),
        scope: node.scope.clone(),
        datacenter: node.config.node.datacenter.clone(),
        register_timeout: node.config.groups.register_timeout,
        replication: node.config.cluster.replication,
        load: Default::default(),
        gates: Default::default(),
        progress: Default::default(),
        results: Default::default(),
        counts: Default::default(),
        driver: OnceLock::new(),
    }
}

async fn tidy(shared: &Shared, memories: Vec<Arc<dyn Forget>>) {
    loop {
        tokio::time::sleep(TIDY_PERIOD).await;
        shared.tidy(&memories);
        gauges::set(shared);
    }
}

/// How a job is summed up in the directory.
fn summarize(state: &ManagerJob) -> JobSummary {
    let status = state.status().unwrap_or(JobStatus::Queued);
    let record = state.record();
    let (created_at_ms, started_at_ms, finished_at_ms) =
        record.map_or((0, None, None), |record| record.times_ms());
    JobSummary {
        status,
        version: record.map_or(u64::MAX, |record| record.version()),
        token: state.token(),
        progress_percent: record.map_or(0, |record| (record.progress() * 100.0) as u8),
        created_at_ms,
        started_at_ms,
        finished_at_ms,
        delivered: status.is_terminal() && record.is_none_or(|record| record.gate().is_none()),
    }
}

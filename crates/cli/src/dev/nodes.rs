//! Starting and stopping all nodes of a layout.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, join_all, try_join_all};
use muster_node::config::Sources;
use muster_node::process::{AnyError, STOP_WITHIN, Stop};
use muster_node::{BootParts, Config};
use muster_runtime::{Clock, TaskScope};
use muster_wire::Role;

use super::Layout;
use super::layout::Seat;
use crate::exit;
use crate::failure::Failure;

/// How long the cluster may take to be founded.
const START_WITHIN: Duration = Duration::from_secs(60);

/// Running nodes.
pub(crate) struct Nodes {
    running: Vec<(String, Box<dyn Stop + Sync>)>,
}

impl Nodes {
    /// Starts every node at once: founding a cluster needs all its members.
    pub(crate) async fn start(layout: &mut Layout) -> Result<Self, Failure> {
        let texts = layout.configurations();
        let starts = layout.seats.iter_mut().zip(texts).map(|(seat, text)| start(seat, text));
        let started = tokio::time::timeout(START_WITHIN, try_join_all(starts)).await;
        let started = started.map_err(|_| {
            Failure::new(
                exit::TIMED_OUT,
                "timeout",
                format!("the cluster was not founded within {START_WITHIN:?}"),
            )
        });
        Ok(Self { running: started?? })
    }

    /// Stops every node, workers last so that results still reach somebody.
    pub(crate) async fn stop(self) -> Vec<String> {
        let stops = self.running.iter().map(|(name, node)| async move {
            node.stop(STOP_WITHIN).await.err().map(|late| format!("{name}: {late}"))
        });
        join_all(stops).await.into_iter().flatten().collect()
    }
}

type Started = (String, Box<dyn Stop + Sync>);

async fn start(seat: &mut Seat, text: String) -> Result<Started, Failure> {
    let name = seat.name.clone();
    let sources = Sources { text: Some(text), ..Sources::default() };
    let config = Config::load(seat.role, &sources).map_err(|faults| failed(&name, &faults.to_string()))?;
    let listeners = std::mem::take(&mut seat.listeners);
    let parts = BootParts { config, scope: TaskScope::new(), clock: Clock::system(), listeners };
    let node = run(seat.role, parts).await.map_err(|error| failed(&name, &error.to_string()))?;
    Ok((name, node))
}

fn run(role: Role, parts: BootParts) -> BoxFuture<'static, Result<Box<dyn Stop + Sync>, AnyError>> {
    match role {
        Role::Gate => boxed(muster_gate::run(parts)),
        Role::Manager => boxed(muster_manager::ManagerNode::start(parts)),
        Role::Worker => boxed(muster_worker::run(parts)),
    }
}

fn boxed<N, E>(
    start: impl Future<Output = Result<N, E>> + Send + 'static,
) -> BoxFuture<'static, Result<Box<dyn Stop + Sync>, AnyError>>
where
    N: Stop + Sync,
    E: Into<AnyError>,
{
    async { start.await.map(|node| Box::new(node) as Box<dyn Stop + Sync>).map_err(Into::into) }.boxed()
}

fn failed(name: &str, why: &str) -> Failure {
    Failure::new(exit::OTHER, "cannot_start", format!("{name} does not start: {why}"))
}

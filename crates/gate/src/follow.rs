//! Follows a job: its own replica where there is one, else by asking.

use std::time::Duration;

use muster_consensus::{Consistency, ProposeError, View};
use muster_wire::JobId;
use tokio::sync::watch;

use crate::gate::Gate;
use crate::machine::GateJob;

/// A job that has no replica here is asked about this often.
const POLL: Duration = Duration::from_millis(500);

/// One job, from now on.
pub struct Follower {
    gate: Gate,
    job: JobId,
    views: Option<watch::Receiver<View<GateJob>>>,
}

/// The version of a view; a purged job has none.
pub fn version(view: &View<GateJob>) -> u64 {
    view.state.record.as_ref().map_or(0, |record| record.version)
}

impl Follower {
    /// Follows a job; `view` was read just now.
    pub fn new(gate: &Gate, job: JobId) -> Self {
        Self { gate: gate.clone(), job, views: gate.coordinator.watch(job) }
    }

    /// The first view beyond a version, or of a job that has ended or was purged; waits as long as it takes.
    pub async fn beyond(&mut self, known: u64) -> Result<View<GateJob>, ProposeError> {
        loop {
            let view = self.current().await?;
            let is_over = view.state.is_terminal() || view.state.tombstone.is_some();
            if version(&view) > known || is_over {
                return Ok(view);
            }
            self.change().await;
        }
    }

    async fn current(&mut self) -> Result<View<GateJob>, ProposeError> {
        match &mut self.views {
            Some(views) => Ok(views.borrow_and_update().clone()),
            None => self.gate.read(self.job, Consistency::Linearizable).await,
        }
    }

    /// A replica that is closed here, by eviction or replacement, is looked for again.
    async fn change(&mut self) {
        let is_open = match &mut self.views {
            Some(views) => {
                tokio::time::timeout(POLL * 20, views.changed()).await.is_ok_and(|changed| changed.is_ok())
            }
            None => false,
        };
        if !is_open {
            tokio::time::sleep(POLL).await;
            self.views = self.gate.coordinator.watch(self.job);
        }
    }
}

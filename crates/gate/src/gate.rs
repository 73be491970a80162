//! What every part of a gate shares.

use std::sync::Arc;
use std::time::Duration;

use muster_consensus::{Consistency, Coordinator, Directory, ProposeError, View};
use muster_link::Links;
use muster_machine::{Entry, EntryReply};
use muster_runtime::{Clock, TaskScope};
use muster_swim::Swim;
use muster_wire::{JobId, Token};
use tokio::sync::Semaphore;

use crate::admission::RateBook;
use crate::config::GateConfig;
use crate::dc::Datacenters;
use crate::machine::GateJob;
use crate::progress::ProgressQueue;
use crate::webhook::Webhooks;

/// A gate that is not an active member after this serves all the same.
const MEMBERSHIP_TIMEOUT: Duration = Duration::from_secs(30);

/// Submissions under way at the same time on one gate; more are `busy`.
const SUBMITTING_MAX: usize = 1_024;

/// What a gate is made of.
pub struct GateParts {
    /// Its configuration.
    pub config: GateConfig,
    /// Its groups.
    pub coordinator: Coordinator<GateJob>,
    /// Its links.
    pub links: Links,
    /// Its failure detector.
    pub swim: Swim,
    /// Owns every task.
    pub scope: TaskScope,
    /// The node's clock.
    pub clock: Clock,
}

/// A gate: its groups, its datacenters, its bounds. Cheap to clone: clones are the same gate.
#[derive(Clone)]
pub struct Gate(Arc<Shared>);

/// The parts of a [`Gate`].
pub struct Shared {
    /// Its configuration.
    pub config: GateConfig,
    /// Its groups.
    pub coordinator: Coordinator<GateJob>,
    /// Its links.
    pub links: Links,
    /// Its failure detector.
    pub swim: Swim,
    /// Owns every task.
    pub scope: TaskScope,
    /// The node's clock.
    pub clock: Clock,
    /// What is known of the datacenters.
    pub datacenters: Datacenters,
    /// Submissions per client.
    pub rates: RateBook,
    /// Submissions under way.
    pub submitting: Semaphore,
    /// Progress that is to be committed.
    pub progress: ProgressQueue,
    /// Delivers to webhooks.
    pub webhooks: Webhooks,
}

impl std::ops::Deref for Gate {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Gate {
    /// Starts to ask the datacenters how they are.
    pub fn new(parts: GateParts) -> Self {
        let GateParts { config, coordinator, links, swim, scope, clock } = parts;
        let datacenters = Datacenters::start(&config.datacenters, (&links, &scope, &clock));
        let rates = RateBook::new(config.submissions);
        let (progress, webhooks) = (ProgressQueue::default(), Webhooks::new(config.seal_key.as_deref()));
        Self(Arc::new(Shared {
            config,
            coordinator,
            links,
            swim,
            scope,
            clock,
            datacenters,
            rates,
            submitting: Semaphore::new(SUBMITTING_MAX),
            progress,
            webhooks,
        }))
    }

    /// An empty entry for a job under a token, stamped now.
    pub fn entry(&self, job: JobId, token: Token) -> Entry {
        Entry::new(job, token, self.clock.unix_ms())
    }

    /// Proposes, within the time of one request.
    pub async fn propose(&self, job: JobId, entry: Entry) -> Result<EntryReply, ProposeError> {
        self.coordinator.propose(job, entry, self.config.request_timeout).await
    }

    /// Reads a job. One that is not known here may be known to a directory that is further on.
    pub async fn read(&self, job: JobId, how: Consistency) -> Result<View<GateJob>, ProposeError> {
        let within = self.config.request_timeout;
        let first = self.coordinator.read(job, how, within).await;
        if !matches!(first, Err(ProposeError::UnknownJob)) {
            return first;
        }
        self.coordinator.directory_read(within).await?;
        self.coordinator.read(job, how, within).await
    }

    /// The job as applied here, or as read elsewhere when this gate has no replica of it.
    pub async fn view(&self, job: JobId) -> Result<View<GateJob>, ProposeError> {
        let local = self.coordinator.watch(job).map(|views| views.borrow().clone());
        match local.filter(|view| view.state.record.is_some()) {
            Some(view) => Ok(view),
            None => self.read(job, Consistency::Linearizable).await,
        }
    }

    /// Does this gate's replica lead the job's group?
    pub fn leads(&self, job: JobId) -> bool {
        self.coordinator.led().borrow().contains_key(&job)
    }

    /// Waits until this gate may be given groups: before that every registration is `Busy`.
    pub async fn wait_for_membership(&self) {
        let me = self.coordinator.me().id;
        let mut directory = self.coordinator.directory_watch();
        let is_active = |view: &View<Directory>| view.state.active().any(|row| row.node == me);
        let wait = async { _ = directory.wait_for(is_active).await };
        if tokio::time::timeout(MEMBERSHIP_TIMEOUT, wait).await.is_err() {
            tracing::warn!("this gate is not an active member yet: it takes no jobs of its own");
        }
    }

    /// How long after now, on the replicated clock, `at_ms` is.
    pub fn until(&self, at_ms: u64) -> Duration {
        Duration::from_millis(at_ms.saturating_sub(self.clock.unix_ms()))
    }
}

//! What the tiers use: proposals, reads and the groups of this node.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use imbl::OrdMap;
use metrics::Histogram;
use muster_link::{Links, Service};
use muster_machine::{Entry, EntryReply, Machine};
use muster_runtime::{Clock, Meter, TaskScope, crash_point};
use muster_swim::Swim;
use muster_wire::{JobId, MemberNumber, NodeRef, Token};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::ConsensusConfig;
use crate::directory::{Directory, JobSummary, RegisterJob, Registered};
use crate::error::{ProposeError, StartError};
use crate::host::Host;
use crate::host::directory::{DIRECTORY_JOB, DirectoryHandle, encoded};
use crate::identity::Identity;
use crate::status::{Consistency, GroupCounts, GroupStatus, View};
use crate::storage::Storage;

/// How long a group on disk may take to be opened for a snapshot.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(5);

/// What a coordinator is made of.
pub struct Parts {
    /// How this node takes part.
    pub config: ConsensusConfig,
    /// Who it is.
    pub identity: Identity,
    /// Its links; the coordinator guards them and serves its own calls until the node serves a composed service.
    pub links: Links,
    /// Its failure detector.
    pub swim: Swim,
    /// Where it keeps what must survive.
    pub storage: Arc<dyn Storage>,
    /// Owns every task.
    pub scope: TaskScope,
    /// The node's clock.
    pub clock: Clock,
}

/// Hosts the directory group and one group per job. Cheap to clone.
pub struct Coordinator<M: Machine> {
    pub(crate) host: Arc<Host<M>>,
    pub(crate) service: Arc<dyn Service>,
}

impl<M: Machine> Clone for Coordinator<M> {
    fn clone(&self) -> Self {
        Self { host: self.host.clone(), service: self.service.clone() }
    }
}

impl<M: Machine> Coordinator<M> {
    /// Opens the log, founds or rejoins the cluster (waits, and says for whom), starts the directory and loads every
    /// group. Its own calls are served on the links at once.
    pub async fn start(parts: Parts) -> Result<Self, StartError> {
        crate::start::start(parts).await
    }

    /// Calls 1–49; the node composes it with its tier's own.
    pub fn service(&self) -> Arc<dyn Service> {
        self.service.clone()
    }

    /// This node, with its member number.
    pub fn me(&self) -> NodeRef {
        self.host.peers().me()
    }

    fn deadline(&self, within: Duration) -> Instant {
        self.host.clock().now() + within
    }

    /// The directory as applied here.
    pub fn directory(&self) -> Arc<Directory> {
        self.host.directory.view().state
    }

    /// Every change of the directory, as applied here.
    pub fn directory_watch(&self) -> watch::Receiver<View<Directory>> {
        self.host.directory.watch()
    }

    /// The directory group as this node sees it.
    pub fn directory_status(&self) -> GroupStatus {
        self.host.directory.status()
    }

    /// The directory with everything that was acknowledged before this call.
    pub async fn directory_read(&self, within: Duration) -> Result<Arc<Directory>, ProposeError> {
        self.host.directory.read(within).await
    }

    /// Proposes to the directory at its leader; the entry is applied here when this returns.
    pub async fn directory_propose(
        &self,
        entry: Entry,
        within: Duration,
    ) -> Result<EntryReply, ProposeError> {
        self.host.directory.propose(entry, within).await
    }

    /// The directory group itself.
    pub fn directory_handle(&self) -> DirectoryHandle {
        self.host.directory.clone()
    }

    /// Registers a job with the directory. When this node is the proposer, the job's group runs here before this returns,
    /// unless the directory has taken its opening. `Busy` when the members are full, or this node's log or disk.
    pub async fn register(&self, job: RegisterJob, within: Duration) -> Result<Registered, ProposeError> {
        let deadline = self.deadline(within);
        let (id, written) = (job.job, self.register_at(job, deadline).await?);
        if !matches!(written.0, Registered::New { opened: true, .. }) {
            self.host.await_birth(&written, deadline, id).await?;
        }
        Ok(written.0)
    }

    /// Registers a job with the entry that its group begins with. Where the directory has taken it (`opened`), this
    /// returns before the group is born: the job is as durable as its registration, every replica is born with the entry,
    /// and no read sees a state without it. The caller makes sure that an empty group does not refuse it.
    pub async fn found(
        &self,
        job: RegisterJob,
        entry: &Entry,
        within: Duration,
    ) -> Result<Registered, ProposeError> {
        let opening = Some(encoded(entry)?);
        self.register(RegisterJob { opening, ..job }, within).await
    }

    /// The state that a job begins with, once its group is led: after [`Coordinator::found`] by this node. `None`: it leads
    /// elsewhere, or is not born in time.
    pub async fn founded(&self, job: JobId, registered: Registered, within: Duration) -> Option<View<M>> {
        let Registered::New { group, opened: true } = registered else { return None };
        let deadline = self.deadline(within);
        self.host.await_birth(&(registered, group.0), deadline, job).await.ok()?;
        self.host.opened_view(job, deadline).await
    }

    /// What a registration came to, and at which index of the directory.
    async fn register_at(
        &self,
        job: RegisterJob,
        deadline: Instant,
    ) -> Result<(Registered, u64), ProposeError> {
        self.host.admit_job().await?;
        let entry = Entry::new(DIRECTORY_JOB, Token(0), self.host.clock().unix_ms());
        let entry = entry.with(&job).map_err(|error| ProposeError::Fatal(error.to_string()))?;
        let written = self.host.directory.write(&entry, deadline).await?;
        crash_point("job.registered");
        Ok((written.reply.reply::<Registered>(0).map_err(rejected)?, written.index))
    }

    /// Proposes at the job's leader, wherever it is. `Ok` means committed and applied; the reply may hold rejections.
    pub async fn propose(
        &self,
        job: JobId,
        entry: Entry,
        within: Duration,
    ) -> Result<EntryReply, ProposeError> {
        let begun = self.host.clock().now();
        let entry = encoded(&entry)?;
        // Boxed, as in `read`: this future is deep, and the futures of callers would carry all of it.
        let written = Box::pin(self.host.propose(job, &entry, begun + within)).await;
        metered(begun, self.host.clock(), written.map(|written| written.reply))
    }

    /// Proposes only if this node's replica leads.
    pub async fn propose_here(
        &self,
        job: JobId,
        entry: Entry,
        within: Duration,
    ) -> Result<EntryReply, ProposeError> {
        let begun = self.host.clock().now();
        let written = self.host.propose_here(job, encoded(&entry)?, begun + within).await;
        metered(begun, self.host.clock(), written.map(|written| written.reply))
    }

    /// Reads a job's state at any node, replica or not.
    pub async fn read(
        &self,
        job: JobId,
        how: Consistency,
        within: Duration,
    ) -> Result<View<M>, ProposeError> {
        Box::pin(self.host.read(job, how, self.deadline(within))).await
    }

    /// Who leads the job's Raft group, as far as this node's replica knows; with its current address.
    pub fn leader(&self, job: JobId) -> Option<NodeRef> {
        self.host.leader_of(job)
    }

    /// The same, waited for while the group is in creation or election; `None`: no replica here, or nobody leads in time.
    pub async fn await_leader(&self, job: JobId, within: Duration) -> Option<NodeRef> {
        self.host.await_leader(job, self.deadline(within)).await
    }

    /// The nodes that hold a replica of the job, by the directory as applied here.
    pub fn replicas(&self, job: JobId) -> Vec<NodeRef> {
        let view = self.host.directory.view();
        let replicas = view.state.job(job).map(|row| row.replicas.clone()).unwrap_or_default();
        replicas.into_iter().filter_map(|replica| self.node(replica.member())).collect()
    }

    /// Jobs whose group this node's replica leads, with the Raft term; a level, not edges.
    pub fn led(&self) -> watch::Receiver<Arc<OrdMap<JobId, u64>>> {
        self.host.led.subscribe()
    }

    /// Every change of a job's state, as applied by this node's replica; `None` without one that runs.
    pub fn watch(&self, job: JobId) -> Option<watch::Receiver<View<M>>> {
        Some(self.host.slot(job)?.running()?.views.clone())
    }

    /// Every group of this node but the directory.
    pub fn groups(&self) -> Vec<GroupStatus> {
        self.host.all_slots().iter().map(|slot| slot.status()).collect()
    }

    /// The job's group as this node's replica sees it.
    pub fn group(&self, job: JobId) -> Option<GroupStatus> {
        self.host.slot(job).map(|slot| slot.status())
    }

    /// A member with its current address.
    pub fn node(&self, member: MemberNumber) -> Option<NodeRef> {
        self.host.peers().node(member)
    }

    /// How many groups this node holds.
    pub fn counts(&self) -> GroupCounts {
        self.host.counts()
    }

    /// How a job is summed up for lists; called for the jobs led here, once a second.
    pub fn set_summarizer(&self, summarize: Arc<dyn Fn(&M) -> JobSummary + Send + Sync>) {
        *self.host.summarizer.write().unwrap_or_else(PoisonError::into_inner) = Some(summarize);
    }

    /// Gives the Raft leadership of a job's group to another replica; `Timeout` if it was not taken by then.
    pub async fn hand_over(
        &self,
        job: JobId,
        to: MemberNumber,
        within: Duration,
    ) -> Result<(), ProposeError> {
        self.host.hand_over(job, to, self.deadline(within)).await
    }

    /// Builds a snapshot of a job's group here and shortens its log.
    pub async fn snapshot(&self, job: JobId) -> Result<(), ProposeError> {
        let slot = self.host.slot(job).ok_or_else(|| self.host.absent(job))?;
        let group = self.host.resident(&slot, self.deadline(SNAPSHOT_WITHIN)).await?;
        group.raft.trigger().snapshot().await.map_err(|_| ProposeError::NotServing)
    }

    /// A member that is dead for longer is replaced in its groups; two minutes unless told.
    pub fn set_replace_after(&self, after: Duration) {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.host.replace_after_ms.store(after_ms, Ordering::Relaxed);
    }

    /// Stops every group, then flushes and closes the log. Tell the failure detector and stop serving first.
    pub async fn shutdown(&self, within: Duration) {
        self.host.shutdown(within).await;
    }
}

fn rejected(reason: muster_machine::Reason) -> ProposeError {
    match reason {
        muster_machine::Reason::Busy { retry_after_ms } => ProposeError::Busy { retry_after_ms },
        other => ProposeError::Fatal(other.to_string()),
    }
}

static PROPOSAL_SECONDS: Meter<Histogram, 0> = Meter::histograms("muster_proposal_seconds", []);

fn metered<T>(begun: Instant, clock: &Clock, outcome: Result<T, ProposeError>) -> Result<T, ProposeError> {
    let took = clock.now().saturating_duration_since(begun);
    PROPOSAL_SECONDS.record([], took.as_secs_f64());
    if matches!(outcome, Err(ProposeError::Busy { .. })) {
        metrics::counter!("muster_queue_rejected_total", "queue" => "proposals").increment(1);
    }
    outcome
}

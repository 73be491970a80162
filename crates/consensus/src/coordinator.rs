//! What the tiers use: proposals, reads and the groups of this node.

use std::sync::Arc;
use std::time::Duration;

use imbl::OrdMap;
use muster_link::{Links, Service};
use muster_machine::{Entry, EntryReply, Machine};
use muster_runtime::{Clock, TaskScope};
use muster_swim::Swim;
use muster_wire::{JobId, MemberNumber, NodeRef};
use tokio::sync::watch;

use crate::config::ConsensusConfig;
use crate::directory::{Directory, JobSummary, RegisterJob, Registered};
use crate::error::{ProposeError, StartError};
use crate::identity::Identity;
use crate::status::{Consistency, GroupCounts, GroupStatus, View};

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
    /// Owns every task.
    pub scope: TaskScope,
    /// The node's clock.
    pub clock: Clock,
}

/// Hosts the directory group and one group per job. Cheap to clone.
pub struct Coordinator<M: Machine> {
    led: watch::Receiver<Arc<OrdMap<JobId, u64>>>,
    _machine: std::marker::PhantomData<M>,
}

impl<M: Machine> Clone for Coordinator<M> {
    fn clone(&self) -> Self {
        Self { led: self.led.clone(), _machine: std::marker::PhantomData }
    }
}

#[allow(unused_variables, missing_docs, clippy::unused_async, reason = "shape only")]
impl<M: Machine> Coordinator<M> {
    pub async fn start(parts: Parts) -> Result<Self, StartError> {
        Err(StartError::Directory("not built".into()))
    }
    pub fn service(&self) -> Arc<dyn Service> {
        muster_link::router().build()
    }
    pub fn me(&self) -> NodeRef {
        NodeRef { id: Default::default(), generation: Default::default(), member: MemberNumber(0), name: String::new(), addr: String::new() }
    }
    pub fn directory(&self) -> Arc<Directory> {
        Arc::default()
    }
    pub fn directory_status(&self) -> GroupStatus {
        GroupStatus {
            job: None,
            group: Default::default(),
            set_index: 0,
            state: "loading",
            role: "learner",
            leader: None,
            term: 0,
            token: Default::default(),
            last_log: None,
            committed: None,
            applied: None,
            snapshot: None,
            purged: None,
            replicas: Vec::new(),
        }
    }
    pub async fn directory_read(&self, within: Duration) -> Result<Arc<Directory>, ProposeError> {
        Err(ProposeError::NotServing)
    }
    pub async fn directory_propose(&self, entry: Entry, within: Duration) -> Result<EntryReply, ProposeError> {
        Err(ProposeError::NotServing)
    }
    /// Follows every change of the directory, as applied here.
    pub fn directory_watch(&self) -> watch::Receiver<View<Directory>> {
        watch::channel(View { state: Directory::default(), applied: 0, at_ms: 0, age: Duration::ZERO }).1
    }
    pub async fn register(&self, job: RegisterJob, within: Duration) -> Result<Registered, ProposeError> {
        Err(ProposeError::NotServing)
    }
    pub async fn propose(&self, job: JobId, entry: Entry, within: Duration) -> Result<EntryReply, ProposeError> {
        Err(ProposeError::NotServing)
    }
    pub async fn propose_here(&self, job: JobId, entry: Entry, within: Duration) -> Result<EntryReply, ProposeError> {
        Err(ProposeError::NotServing)
    }
    pub async fn read(&self, job: JobId, how: Consistency, within: Duration) -> Result<View<M>, ProposeError> {
        Err(ProposeError::NotServing)
    }
    pub fn leader(&self, job: JobId) -> Option<NodeRef> {
        None
    }
    pub fn replicas(&self, job: JobId) -> Vec<NodeRef> {
        Vec::new()
    }
    pub fn led(&self) -> watch::Receiver<Arc<OrdMap<JobId, u64>>> {
        self.led.clone()
    }
    pub fn watch(&self, job: JobId) -> Option<watch::Receiver<View<M>>> {
        None
    }
    pub fn groups(&self) -> Vec<GroupStatus> {
        Vec::new()
    }
    pub fn group(&self, job: JobId) -> Option<GroupStatus> {
        None
    }
    pub fn node(&self, member: MemberNumber) -> Option<NodeRef> {
        None
    }
    pub fn counts(&self) -> GroupCounts {
        GroupCounts::default()
    }
    /// How a job is summed up for lists; called for the jobs led here, at most once a second each.
    pub fn set_summarizer(&self, summarize: Arc<dyn Fn(&M) -> JobSummary + Send + Sync>) {}
    /// Gives the Raft leadership of a job's group to another replica, within a deadline; best effort.
    pub async fn hand_over(&self, job: JobId, to: MemberNumber, within: Duration) -> Result<(), ProposeError> {
        Err(ProposeError::NotServing)
    }
    pub async fn shutdown(&self, within: Duration) {}
}

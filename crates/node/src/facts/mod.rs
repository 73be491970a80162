//! What a node shows of itself over HTTP, behind one trait, so that gates, managers and workers share the routes.

mod feed;
mod views;

use std::sync::{Arc, PoisonError, RwLock};

use muster_consensus::Coordinator;
use muster_machine::Machine;
use muster_runtime::Clock;
use muster_swim::{Member, Swim};
use muster_wire::api::{GroupView, Health, MemberView, NodeView, RaftHealth};
use tokio::time::Instant;

use crate::config::Config;
use crate::http::{Answer, Problem};

pub use feed::MemberFeed;
pub use views::resolve;

use views::{Names, group_view, member_view, raft_health, unseen};

/// One condition of readiness.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// A short stable word.
    pub name: &'static str,
    /// `Err` says what is missing.
    pub outcome: Result<(), String>,
}

/// What the routes show.
pub trait NodeFacts: Send + Sync + 'static {
    /// Every condition of readiness.
    fn checks(&self) -> Vec<Check>;
    /// `GET /v1/node`.
    fn node(&self) -> NodeView;
    /// `GET /health`.
    fn health(&self) -> Health;
    /// The directory and each job's group; 503 while the node starts.
    fn groups(&self) -> Answer<Vec<GroupView>>;
    /// One job's group by its id or an unambiguous prefix.
    fn group(&self, job: &str) -> Answer<GroupView>;
    /// The failure detector's view joined with the directory's.
    fn members(&self) -> Vec<MemberView>;
    /// Its view and what changes in it from now on.
    fn member_feed(&self) -> MemberFeed;
}

/// The parts of readiness and health that a tier adds.
#[derive(Clone, Default)]
pub struct Additions(Arc<RwLock<Added>>);

type CheckFn = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;
type HealthFn = Arc<dyn Fn(&mut Health) + Send + Sync>;

#[derive(Clone, Default)]
struct Added {
    checks: Vec<(&'static str, CheckFn)>,
    health: Option<HealthFn>,
    draining: Option<&'static str>,
    is_stopping: bool,
}

impl Additions {
    fn get(&self) -> Added {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Added)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Adds a condition of readiness. It must not block.
    pub fn add_check(
        &self,
        name: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.change(|added| added.checks.push((name, Arc::new(check))));
    }

    /// Fills in the tier's parts of `GET /health`. It must not block.
    pub fn set_health(&self, fill: impl Fn(&mut Health) + Send + Sync + 'static) {
        self.change(|added| added.health = Some(Arc::new(fill)));
    }

    /// What `GET /v1/node` says of draining: `running` or `done`.
    pub fn set_draining(&self, word: &'static str) {
        self.change(|added| added.draining = Some(word));
    }

    /// From now on the node is not ready: it is about to stop.
    pub fn set_stopping(&self) {
        self.change(|added| added.is_stopping = true);
    }

    fn checks(&self) -> Vec<Check> {
        let added = self.get();
        let stopping = match added.is_stopping {
            true => Err("this node is stopping".to_owned()),
            false => Ok(()),
        };
        let own = [Check { name: "running", outcome: stopping }];
        let tier = added.checks.iter().map(|(name, check)| Check { name, outcome: check() });
        own.into_iter().chain(tier).collect()
    }
}

/// The facts that every process has.
pub(crate) struct Basics {
    pub(crate) config: Arc<Config>,
    pub(crate) swim: Swim,
    pub(crate) clock: Clock,
    pub(crate) began: Instant,
    pub(crate) additions: Additions,
    pub(crate) document: NodeView,
}

impl Basics {
    fn node(&self) -> NodeView {
        let uptime = self.clock.now().saturating_duration_since(self.began);
        let draining = self.additions.get().draining.unwrap_or("no").to_owned();
        NodeView { uptime: format!("{}s", uptime.as_secs()), draining, ..self.document.clone() }
    }

    fn member_feed(&self) -> MemberFeed {
        MemberFeed::new(&self.swim, &self.clock)
    }

    /// When a time of the failure detector was, on the wall.
    fn wall(&self, at: std::time::Duration) -> String {
        feed::rfc3339(self.clock.unix_ms().saturating_sub(self.swim.age(at).as_millis() as u64))
    }

    fn health(&self, raft: Option<RaftHealth>) -> Health {
        let added = self.additions.get();
        let is_ready = self.additions.checks().iter().all(|check| check.outcome.is_ok());
        let mut health = Health {
            status: if is_ready { "ok".into() } else { "degraded".into() },
            node_id: self.document.id.clone(),
            role: self.document.role.clone(),
            datacenter: self.document.datacenter.clone(),
            version: self.document.version.clone(),
            raft,
            workers: None,
            capacity: None,
            scheduler: None,
            stopping: added.is_stopping,
        };
        if let Some(fill) = added.health {
            fill(&mut health);
        }
        health
    }
}

/// A worker's facts: it has no groups.
pub(crate) struct PlainFacts(pub(crate) Basics);

impl NodeFacts for PlainFacts {
    fn checks(&self) -> Vec<Check> {
        self.0.additions.checks()
    }

    fn node(&self) -> NodeView {
        self.0.node()
    }

    fn health(&self) -> Health {
        self.0.health(None)
    }

    fn groups(&self) -> Answer<Vec<GroupView>> {
        Ok(Vec::new())
    }

    fn group(&self, _job: &str) -> Answer<GroupView> {
        Err(Problem::unknown_job())
    }

    fn members(&self) -> Vec<MemberView> {
        self.0.swim.snapshot().iter().map(|member| member_view(member, (None, &self.0))).collect()
    }

    fn member_feed(&self) -> MemberFeed {
        self.0.member_feed()
    }
}

/// A gate's or manager's facts; without a coordinator while it starts.
pub(crate) struct ClusterFacts<M: Machine> {
    pub(crate) basics: Basics,
    pub(crate) coordinator: RwLock<Option<Coordinator<M>>>,
}

impl<M: Machine> ClusterFacts<M> {
    pub(crate) fn new(basics: Basics) -> Self {
        Self { basics, coordinator: RwLock::new(None) }
    }

    /// The node is a member now.
    pub(crate) fn set(&self, coordinator: Coordinator<M>) {
        *self.coordinator.write().unwrap_or_else(PoisonError::into_inner) = Some(coordinator);
    }

    fn coordinator(&self) -> Option<Coordinator<M>> {
        self.coordinator.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ready_coordinator(&self) -> Answer<Coordinator<M>> {
        self.coordinator().ok_or_else(Problem::starting)
    }

    fn cluster_check(&self) -> Check {
        let outcome = match self.coordinator() {
            Some(_) => Ok(()),
            None => Err(waits_for(&self.basics.config, &self.basics.swim.snapshot())),
        };
        Check { name: "cluster", outcome }
    }

    fn directory_check(&self) -> Check {
        let leader = self.coordinator().and_then(|coordinator| coordinator.directory_status().leader);
        let outcome = leader.map(|_| ()).ok_or_else(|| "the directory has no leader".to_owned());
        Check { name: "directory", outcome }
    }
}

/// A member that the directory does not list yet gets no groups.
fn member_check<M: Machine>(coordinator: &Coordinator<M>) -> Check {
    let listed = coordinator.directory().member_by_node(coordinator.me().id).is_some();
    let outcome = listed.then_some(()).ok_or_else(|| "the directory does not list this node yet".to_owned());
    Check { name: "member", outcome }
}

/// Whom a node that is not a member waits for, as far as its failure detector sees.
fn waits_for(config: &Config, members: &[Member]) -> String {
    let is_there =
        |name: &str| members.iter().any(|member| member.state.is_live() && member.meta.name == name);
    let listed = config.cluster.initial_members.iter().map(|member| member.name.as_str());
    let missing: Vec<&str> = listed.filter(|name| !is_there(name)).collect();
    match missing.is_empty() {
        true => "is being founded or joined; the log says what is missing".into(),
        false => format!("waits for {}", missing.join(", ")),
    }
}

impl<M: Machine> NodeFacts for ClusterFacts<M> {
    fn checks(&self) -> Vec<Check> {
        let own = [self.cluster_check(), self.directory_check()];
        let member = self.coordinator().map(|coordinator| member_check(&coordinator));
        own.into_iter().chain(member).chain(self.basics.additions.checks()).collect()
    }

    fn node(&self) -> NodeView {
        self.basics.node()
    }

    fn health(&self) -> Health {
        self.basics.health(self.coordinator().map(|coordinator| raft_health(&coordinator)))
    }

    fn groups(&self) -> Answer<Vec<GroupView>> {
        let coordinator = self.ready_coordinator()?;
        let mut groups = coordinator.groups();
        groups.sort_by_key(|group| group.job);
        let names = Names::of(&coordinator);
        let all = [coordinator.directory_status()].into_iter().chain(groups);
        Ok(all.map(|status| group_view(&status, &names)).collect())
    }

    fn group(&self, job: &str) -> Answer<GroupView> {
        let coordinator = self.ready_coordinator()?;
        let job = resolve(&coordinator.directory(), job)?;
        let missing = || Problem::not_found("unknown_job", "no replica of this job is on this node");
        let status = coordinator.group(job).ok_or_else(missing)?;
        Ok(group_view(&status, &Names::of(&coordinator)))
    }

    fn members(&self) -> Vec<MemberView> {
        let directory = self.coordinator().map(|coordinator| coordinator.directory());
        let snapshot = self.basics.swim.snapshot();
        let mut members: Vec<MemberView> =
            snapshot.iter().map(|member| member_view(member, (directory.as_deref(), &self.basics))).collect();
        members.extend(directory.iter().flat_map(|directory| unseen(directory, &snapshot)));
        members.sort_by(|a, b| a.id.cmp(&b.id));
        members
    }

    fn member_feed(&self) -> MemberFeed {
        self.basics.member_feed()
    }
}

//! A gate or a manager: the base with a coordinator.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use muster_consensus::{ConsensusConfig, Coordinator, InitialMember, Parts, RealStorage};
use muster_link::{Service, router};
use muster_machine::Machine;
use muster_runtime::task::Late;
use muster_swim::Member;
use muster_wire::Role;

use super::{Base, BootError, BootParts};
use crate::config::Config;
use crate::driver::{Driver, DriverConfig, DriverParts, Reconciler};
use crate::facts::{ClusterFacts, NodeFacts};
use crate::openapi::{self, ApiRoute};
use crate::operate::{self, Operator};
use crate::routes;

/// Between two looks at the failure detector's view while a joining node knows nobody.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A member of its cluster. Cheap to clone: clones are the same node.
pub struct Node<M: Machine> {
    base: Base,
    /// Its groups.
    pub coordinator: Coordinator<M>,
    facts: Arc<dyn NodeFacts>,
    /// The tier's routes are there: before that the node is not ready.
    serving: Arc<AtomicBool>,
    /// The tier's routes as the API's document describes them.
    api: Arc<RwLock<&'static [ApiRoute]>>,
}

impl<M: Machine> Clone for Node<M> {
    fn clone(&self) -> Self {
        let (base, coordinator) = (self.base.clone(), self.coordinator.clone());
        let (facts, serving, api) = (self.facts.clone(), self.serving.clone(), self.api.clone());
        Self { base, coordinator, facts, serving, api }
    }
}

impl<M: Machine> Deref for Node<M> {
    type Target = Base;

    fn deref(&self) -> &Base {
        &self.base
    }
}

impl<M: Machine> Node<M> {
    /// Starts a node and waits until it is a member; meanwhile HTTP says for whom it waits.
    pub async fn start(parts: BootParts) -> Result<Self, BootError> {
        let base = Base::start(parts).await?;
        let facts = Arc::new(ClusterFacts::<M>::new(base.basics()));
        let shown: Arc<dyn NodeFacts> = facts.clone();
        base.set_routes(all_routes(&shown, routes::starting()));
        let config = consensus_config(&base).await;
        let parts = Parts {
            config,
            identity: base.identity.clone(),
            links: base.links.clone(),
            swim: base.swim.clone(),
            storage: RealStorage::shared(),
            scope: base.scope.clone(),
            clock: base.clock.clone(),
        };
        let coordinator = Coordinator::<M>::start(parts).await?;
        coordinator.set_replace_after(base.config.cluster.replace_after);
        let serving = Arc::new(AtomicBool::new(false));
        let checked = serving.clone();
        base.additions.add_check("routes", move || match checked.load(Ordering::Acquire) {
            true => Ok(()),
            false => Err("the routes of this tier are not served yet".into()),
        });
        facts.set(coordinator.clone());
        Ok(Self { base, coordinator, facts: shown, serving, api: Arc::new(RwLock::new(&[])) })
    }

    /// What `GET /v1/openapi.json` says of the tier's routes; before they are served.
    pub fn describe_http(&self, table: &'static [ApiRoute]) {
        *self.api.write().unwrap_or_else(PoisonError::into_inner) = table;
    }

    /// Adds the tier's routes to those of every node.
    pub fn serve_http(&self, tier: Router) {
        let operator = Operator {
            coordinator: self.coordinator.clone(),
            links: self.links.clone(),
            swim: self.swim.clone(),
            clock: self.clock.clone(),
            scope: self.scope.clone(),
            additions: self.additions.clone(),
        };
        let tables =
            [openapi::BASIC, openapi::CLUSTER, *self.api.read().unwrap_or_else(PoisonError::into_inner)];
        let tier = tier.merge(operate::routes(operator)).merge(openapi::routes(&tables));
        self.set_routes(all_routes(&self.facts, tier));
        self.serving.store(true, Ordering::Release);
    }

    /// Serves the tier's calls beside those of the coordinator.
    pub fn serve_calls(&self, tier: Arc<dyn Service>) {
        let operators = operate::service(&self.coordinator);
        self.links.serve(router().merge(self.coordinator.service()).merge(operators).merge(tier).build());
    }

    /// Runs reconcilers for every job that this node leads.
    pub fn drive(&self, reconcilers: Vec<Arc<dyn Reconciler<M>>>) -> Driver {
        Driver::start(DriverParts {
            config: DriverConfig::default(),
            coordinator: self.coordinator.clone(),
            links: self.links.clone(),
            clock: self.clock.clone(),
            scope: self.scope.clone(),
            reconcilers,
        })
    }

    /// Says goodbye, closes the groups and the log, ends every task; names those that are late.
    pub async fn shutdown(&self, within: Duration) -> Result<(), Late> {
        let began = self.clock.now();
        self.say_goodbye().await;
        self.coordinator.shutdown(within / 2).await;
        self.scope.shutdown(within.saturating_sub(self.clock.now() - began)).await
    }
}

fn all_routes(facts: &Arc<dyn NodeFacts>, tier: Router) -> Router {
    routes::basic(facts.clone()).merge(routes::cluster(facts.clone())).merge(tier)
}

async fn consensus_config(base: &Base) -> ConsensusConfig {
    let config = &base.config;
    ConsensusConfig {
        role: config.role,
        datacenter: config.node.datacenter.clone(),
        cluster_name: config.node.cluster.clone(),
        data_dir: config.node.data_dir.clone(),
        name: config.node.name.clone(),
        initial_members: initial_members(base).await,
        profile: config.raft.profile,
        replication: config.cluster.replication,
        groups_max: config.groups.max,
        awake_max: config.groups.awake_max,
        resident_max: config.groups.resident_max,
        sleep_after: config.groups.sleep_after,
        evict_after: config.groups.evict_after,
        snapshot_entries: config.raft.snapshot_entries,
        register_timeout: config.groups.register_timeout,
        tombstone_keep: config.groups.tombstone_keep,
        wal_segment_bytes: config.wal.segment_bytes,
        wal_budget_bytes: config.wal.budget_bytes,
        in_flight_per_group: config.limits.in_flight_per_group,
        in_flight_per_node: config.limits.in_flight_per_node,
    }
}

/// The configured ones; a node with none asks the members that its failure detector finds through `cluster.join`. It
/// is not in that list, so it joins and never founds.
async fn initial_members(base: &Base) -> Vec<InitialMember> {
    let configured = base.config.cluster.initial_members.clone();
    if !configured.is_empty() || base.identity.cluster.is_some() {
        return configured;
    }
    let stop = base.scope.stop_token();
    let looking = async {
        loop {
            let found = peers(&base.config, &base.swim.snapshot());
            if !found.is_empty() {
                return found;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    stop.run_until_cancelled(looking).await.unwrap_or_default()
}

fn peers(config: &Config, members: &[Member]) -> Vec<InitialMember> {
    let is_peer = |member: &&Member| {
        let is_other = member.meta.name != config.node.name && member.state.is_live();
        is_other && member.meta.role == config.role && member.meta.role != Role::Worker
    };
    let listed = members.iter().filter(is_peer).map(|member| InitialMember {
        name: member.meta.name.clone(),
        rpc: member.meta.rpc.clone(),
        swim: member.meta.swim.clone(),
    });
    listed.collect()
}

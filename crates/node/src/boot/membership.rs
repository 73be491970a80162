//! A node's failure detector: how it is started, what feeds it beside its own packets, and how its keys change.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use muster_consensus::{Identity, Profile};
use muster_link::{LinkEvent, Links};
use muster_runtime::{Clock, TaskKind, TaskScope};
use muster_swim::{Evidence, KeyRing, Meta, Swim};
use muster_wire::hello::Hello;
use muster_wire::{NodeId, Role};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;

use super::BootError;
use super::base::Addresses;
use crate::config::Config;

const EVENTS: TaskKind = TaskKind::vital("swim_link_events");
const TRAFFIC: TaskKind = TaskKind::vital("swim_link_traffic");
const KEYS: TaskKind = TaskKind::new("swim_keys");
/// Time between two looks at what came over links.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Time between two looks at the key file.
const KEYS_EVERY: Duration = Duration::from_secs(5);

/// Starts it; with a key file its keys follow that file.
pub(super) async fn start(
    config: &Config,
    identity: &Identity,
    (addresses, scope, clock): (&Addresses, &TaskScope, &Clock),
) -> Result<Swim, BootError> {
    let mut started = swim_config(config, identity, addresses);
    let mut text = String::new();
    if let Some(path) = &config.security.swim_keys {
        text = read_keys(path).await?;
        started.keys = parse_keys(path, &text)?;
    }
    let swim = Swim::start(started, scope.clone(), clock.clone()).await?;
    if let Some(path) = config.security.swim_keys.clone() {
        let swim = swim.clone();
        scope.spawn_until_stop(KEYS, async move { follow_keys(&swim, &path, text).await });
    }
    Ok(swim)
}

async fn read_keys(path: &Path) -> Result<String, BootError> {
    let read = tokio::fs::read_to_string(path).await;
    read.map_err(|source| BootError::KeyFile { path: path.to_owned(), source })
}

fn parse_keys(path: &Path, text: &str) -> Result<KeyRing, BootError> {
    KeyRing::parse(text).map_err(|source| BootError::Keys { path: path.to_owned(), source })
}

/// A file that is missing or wrong for a while changes nothing: the keys held go on.
async fn follow_keys(swim: &Swim, path: &Path, mut text: String) {
    loop {
        tokio::time::sleep(KEYS_EVERY).await;
        let Ok(now) = read_keys(path).await else { continue };
        if now != text {
            use_keys(swim, path, &now);
            text = now;
        }
    }
}

fn use_keys(swim: &Swim, path: &Path, text: &str) {
    match parse_keys(path, text) {
        Ok(keys) => {
            tracing::info!(ids = ?keys.ids(), "membership packets are sealed with the first of these keys now");
            swim.set_keys(keys);
        }
        Err(error) => tracing::error!(%error, "the membership keys stay as they were"),
    }
}

/// What links show of other processes goes to the failure detector: answers count as answered probes, a lost link or
/// a refused dial starts a probe at once.
pub(super) fn feed_evidence(links: &Links, swim: &Swim, scope: &TaskScope) {
    let (from, to) = (links.clone(), swim.clone());
    scope.spawn_until_stop(EVENTS, async move { follow_events(&from, &to).await });
    let (from, to) = (links.clone(), swim.clone());
    scope.spawn_until_stop(TRAFFIC, async move { follow_traffic(&from, &to).await });
}

async fn follow_events(links: &Links, swim: &Swim) {
    let mut events = links.events();
    loop {
        match events.recv().await {
            Ok(event) => report(swim, &event),
            Err(RecvError::Lagged(_)) => (),
            Err(RecvError::Closed) => return,
        }
    }
}

fn report(swim: &Swim, event: &LinkEvent) {
    match event {
        LinkEvent::Up { peer, .. } => swim.report_evidence(peer.node, Evidence::RpcOk),
        LinkEvent::Down { peer, .. } => swim.report_evidence(peer.node, Evidence::RpcFail),
        LinkEvent::Refused { peer: Some(peer), .. } => swim.report_evidence(peer.node, refused(swim, peer)),
        LinkEvent::Refused { peer: None, .. } => (),
    }
}

/// An older process that is gone says nothing about the one that came after it.
fn refused(swim: &Swim, peer: &Hello) -> Evidence {
    match swim.member(peer.node).is_none_or(|member| member.generation <= peer.generation) {
        true => Evidence::Refused,
        false => Evidence::RpcFail,
    }
}

async fn follow_traffic(links: &Links, swim: &Swim) {
    let mut before: HashMap<NodeId, u64> = HashMap::new();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut now = HashMap::new();
        for (peer, frames) in links.heard() {
            *now.entry(peer.node).or_default() += frames;
        }
        let risen =
            now.iter().filter(|(node, frames)| before.get(node).is_some_and(|before| before < frames));
        risen.for_each(|(node, _)| swim.report_evidence(*node, Evidence::RpcOk));
        before = now;
    }
}

fn swim_config(config: &Config, identity: &Identity, addresses: &Addresses) -> muster_swim::Config {
    let is_worker = config.role == Role::Worker;
    muster_swim::Config {
        id: identity.node,
        generation: identity.generation,
        cluster: pool(config),
        listen: config.listen.swim,
        seeds: config.seeds(),
        meta: Meta {
            role: config.role,
            dc: config.node.datacenter.clone(),
            name: config.node.name.clone(),
            member: identity.member,
            rpc: addresses.rpc.clone(),
            http: addresses.http.clone(),
            swim: addresses.swim.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            cores: if is_worker { config.worker.cores } else { 0 },
            labels: if is_worker { config.worker.labels.clone() } else { BTreeMap::new() },
            draining: false,
        },
        profile: profile(config),
        keys: KeyRing::default(),
    }
}

/// Who probes whom: the gates each other; the managers and workers of one datacenter each other.
fn pool(config: &Config) -> String {
    match config.role {
        Role::Gate => format!("{}/gates", config.node.cluster),
        Role::Manager | Role::Worker => format!("{}/{}", config.node.cluster, config.node.datacenter),
    }
}

const fn profile(config: &Config) -> muster_swim::Profile {
    match (config.raft.profile, config.role) {
        (Profile::Test, _) => muster_swim::Profile::Test,
        (_, Role::Worker) => muster_swim::Profile::Default,
        (Profile::Lan, _) => muster_swim::Profile::Lan,
        (Profile::Wan, _) => muster_swim::Profile::Wan,
    }
}

//! From a data directory to a running coordinator.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use muster_link::router;
use muster_machine::{Entry, Machine};
use muster_runtime::TaskKind;
use muster_wal::{Options, Wal};
use muster_wire::rpc::RpcError;
use muster_wire::rpc::cluster::{FoundingMember, ListedMember};
use muster_wire::{Generation, GroupId, Incarnation, NodeRef, RaftId, Token};
use tokio::sync::watch;

use crate::config::ConsensusConfig;
use crate::coordinator::{Coordinator, Parts};
use crate::directory::{Directory, Joined, MemberJoin};
use crate::error::StartError;
use crate::founding::{
    Admission, ClusterGatekeeper, Desk, Founding, FoundingConfig, FoundingParts, Membership, found_or_join,
};
use crate::host::directory::{DIRECTORY_JOB, DirectoryHandle};
use crate::host::peers::Peers;
use crate::host::steward::Steward;
use crate::host::{Host, serve};
use crate::identity::WAL_DIR;
use crate::raft::group::{Ground, Group};
use crate::raft::opening::Opening;
use crate::raft::settings::Settings;

const OPEN: TaskKind = TaskKind::new("wal_open");
/// The folder of snapshots inside the data directory.
const SNAPSHOT_DIR: &str = "snapshots";
/// How long one proposal of a join may take.
const JOIN_WITHIN: Duration = Duration::from_secs(4);

/// See [`Coordinator::start`].
pub(crate) async fn start<M: Machine>(mut parts: Parts) -> Result<Coordinator<M>, StartError> {
    let settings = Settings::new(parts.config.profile.timing())?;
    let wal = open_wal(&parts).await?;
    let desk = Desk::new(&parts.identity, listed(&parts.config));
    let gatekeeper = ClusterGatekeeper::new(&parts.identity, (*parts.links.hello()).clone());
    parts.links.guard(gatekeeper.clone());
    parts.links.serve(desk.service());
    let membership = found(&mut parts).await?;
    assemble(parts, (wal, settings), Founded { membership, desk, gatekeeper }).await
}

async fn open_wal(parts: &Parts) -> Result<Wal, StartError> {
    let options = Options {
        segment_bytes: parts.config.wal_segment_bytes,
        budget_bytes: parts.config.wal_budget_bytes,
        member: parts.identity.member.0,
        ..Options::new(parts.identity.node.0.to_be_bytes())
    };
    let dir = parts.config.data_dir.join(WAL_DIR);
    let storage = parts.storage.clone();
    let opened = parts.scope.spawn_blocking(OPEN, move || storage.open_log(&dir, options)).await;
    let wal = opened.ok_or_else(|| StartError::Config("the write-ahead log panicked".into()))??;
    let stop = parts.scope.stop_token();
    wal.on_failure(Box::new(move |error| {
        tracing::error!(%error, "the write-ahead log has failed: this node stops");
        stop.cancel();
    }));
    Ok(wal)
}

fn listed(config: &ConsensusConfig) -> Vec<ListedMember> {
    let members = config.initial_members.iter();
    let listed = members.map(|member| ListedMember {
        name: member.name.clone(),
        rpc: member.rpc.clone(),
        swim: member.swim.clone(),
    });
    listed.collect()
}

async fn found(parts: &mut Parts) -> Result<Membership, StartError> {
    let hello = parts.links.hello();
    let swim = parts.swim.member(parts.identity.node).map(|me| me.meta.swim.clone()).unwrap_or_default();
    let config = FoundingConfig {
        list: listed(&parts.config),
        join: parts.config.initial_members.iter().map(|member| member.rpc.clone()).collect(),
        rpc: hello.rpc.clone(),
        swim,
        groups_max: parts.config.groups_max,
    };
    let founding = FoundingParts {
        config,
        links: parts.links.clone(),
        scope: parts.scope.clone(),
        clock: parts.clock.clone(),
        status: watch::channel(Founding::default()).0,
    };
    let membership = found_or_join(&mut parts.identity, &founding).await?;
    let member = membership.me;
    parts.swim.update_meta(move |meta| meta.member = member);
    Ok(membership)
}

/// What the founding came to.
struct Founded {
    membership: Membership,
    desk: Arc<Desk>,
    gatekeeper: Arc<ClusterGatekeeper>,
}

/// Everything that is there once the node is a member.
async fn assemble<M: Machine>(
    parts: Parts,
    (wal, settings): (Wal, Settings),
    Founded { membership, desk, gatekeeper }: Founded,
) -> Result<Coordinator<M>, StartError> {
    let config = Arc::new(parts.config);
    let peers = Peers::new(parts.links.clone(), parts.swim.clone(), me(&parts.links.hello(), &membership));
    membership.members.iter().for_each(|member| peers.learn(node_of(&config, member)));
    let ground = Ground {
        wal,
        peers: peers.clone(),
        settings,
        snapshots: config.data_dir.join(SNAPSHOT_DIR),
        storage: parts.storage,
        scope: parts.scope,
        epoch: parts.clock.now(),
        clock: parts.clock,
        in_flight: config.in_flight_per_group,
        lease: config.profile.timing().lease(),
    };
    let directory = open_directory(&ground, &membership).await?;
    let host = Host::<M>::new(config.clone(), ground, directory.clone());
    desk.open(Arc::new(Door(directory.clone())));
    let (swim, clock) = (parts.swim, host.clock().clone());
    Steward { directory, membership, config, peers, swim, clock, gatekeeper }.start(host.scope());
    let service = router().merge(desk.service()).merge(serve::service(&host)).build();
    parts.links.serve(service.clone());
    host.start();
    Ok(Coordinator { host, service })
}

fn me(hello: &muster_wire::hello::Hello, membership: &Membership) -> NodeRef {
    NodeRef { member: membership.me, ..crate::host::peers::node_of(hello) }
}

/// A founding member, at its configured address until something newer is heard.
fn node_of(config: &ConsensusConfig, member: &FoundingMember) -> NodeRef {
    let listed = config.initial_members.iter().find(|listed| listed.name == member.name);
    NodeRef {
        id: member.node,
        generation: Generation(0),
        member: member.number,
        name: member.name.clone(),
        addr: listed.map(|listed| listed.rpc.clone()).unwrap_or_default(),
    }
}

async fn open_directory(ground: &Ground, membership: &Membership) -> Result<DirectoryHandle, StartError> {
    let me = RaftId::new(membership.me, Incarnation(0));
    let opening = Opening { group: GroupId(0), job: DIRECTORY_JOB, me, set_index: 0, birth: None };
    let group =
        Group::open(ground, opening, None).await.map_err(|error| StartError::Directory(error.to_string()))?;
    if membership.founder {
        let voters = membership.members.iter().filter(|member| Membership::is_initial_voter(member.number));
        let voters: BTreeSet<RaftId> =
            voters.map(|member| RaftId::new(member.number, Incarnation(0))).collect();
        group.initialise(&voters).await.map_err(|error| StartError::Directory(error.to_string()))?;
    }
    Ok(DirectoryHandle::new(Arc::new(group)))
}

/// The way of a joining node's request into the directory.
struct Door(DirectoryHandle);

impl Admission for Door {
    fn join(&self, join: MemberJoin) -> BoxFuture<'static, Result<Joined, RpcError>> {
        let directory = self.0.clone();
        async move {
            let now_ms = directory.group().clock.unix_ms();
            let entry = Entry::new(DIRECTORY_JOB, Token(0), now_ms).with(&join);
            let entry = entry.map_err(|error| RpcError::Malformed(error.to_string()))?;
            let reply = directory.propose(entry, JOIN_WITHIN).await?;
            reply.reply::<Joined>(0).map_err(|reason| RpcError::Refused { why: reason.to_string() })
        }
        .boxed()
    }

    fn directory(&self) -> Directory {
        Directory::clone(&self.0.view().state)
    }
}

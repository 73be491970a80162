//! One benched process: a coordinator over real sockets and files, and the calls of the load.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use muster_consensus::directory::{MemberRemove, MemberState, MemberStatus};
use muster_consensus::{
    ConsensusConfig, Consistency, Coordinator, InitialMember, Parts, Profile, RealStorage, identity,
};
use muster_link::{LinkConfig, LinkParts, Links, Service, router};
use muster_machine::Entry;
use muster_runtime::{Clock, TaskScope};
use muster_swim::{Meta, Swim};
use muster_wire::hello::{Hello, PROTOCOL};
use muster_wire::job::Digest;
use muster_wire::rpc::{Ack, RpcError};
use muster_wire::{Generation, JobId, MemberNumber, NodeId, Role, Token};
use tokio::net::TcpListener;

use crate::calls::{
    AskLeader, AskNode, AskReplicas, Create, Drain, GetAt, NodeState, PutAt, Remove, Transfer,
};
use crate::machine::{Put, Values};

/// The name of the benched installation.
pub const CLUSTER: &str = "bench";
/// The variable that says where a node listens whose `rpc` is a way to it.
pub(crate) const LISTEN: &str = "BENCH_LISTEN";
const CREATE_WITHIN: Duration = Duration::from_secs(20);

/// What a node is started with: `name=rpc,swim dir name=rpc,swim …`: itself, its folder, the initial members.
pub struct NodeArgs {
    name: String,
    dir: PathBuf,
    own: InitialMember,
    members: Vec<InitialMember>,
}

impl NodeArgs {
    /// From the command line.
    pub fn parse(args: &[String]) -> anyhow::Result<Self> {
        let [own, dir, members @ ..] = args else { anyhow::bail!("node OWN DIR MEMBER…") };
        let own = member(own).context("a member is name=rpc,swim")?;
        let members: Option<Vec<InitialMember>> = members.iter().map(|text| member(text)).collect();
        let members = members.context("a member is name=rpc,swim")?;
        Ok(Self { name: own.name.clone(), dir: dir.into(), own, members })
    }
}

fn member(text: &str) -> Option<InitialMember> {
    let (name, addresses) = text.split_once('=')?;
    let (rpc, swim) = addresses.split_once(',')?;
    Some(InitialMember { name: name.into(), rpc: rpc.into(), swim: swim.into() })
}

/// Runs until it is killed or interrupted.
pub async fn run(args: NodeArgs) -> anyhow::Result<()> {
    muster_allocator::give_back_after_threads();
    let scope = TaskScope::new();
    let clock = Clock::system();
    let own = args.own.clone();
    let identity = identity::open(&args.dir, &args.name, Role::Manager)?;
    let listen = std::env::var(LISTEN).unwrap_or_else(|_| own.rpc.clone());
    let listener = TcpListener::bind(&listen).await?;
    let ours = Hello {
        cluster: identity.cluster,
        member: identity.member,
        ..hello(identity.node, (Role::Manager, &args.name, &own.rpc), identity.generation)
    };
    let parts = LinkParts { listener, hello: ours, scope: scope.clone(), clock: clock.clone() };
    let links = Links::start(LinkConfig::default(), parts);
    let swim = Swim::start(swim_config(&identity, &args, &own)?, scope.clone(), clock.clone()).await?;
    let parts = Parts {
        config: config(&args),
        identity,
        links: links.clone(),
        swim,
        storage: RealStorage::shared(),
        scope: scope.clone(),
        clock,
    };
    let coordinator = Coordinator::<Values>::start(parts).await?;
    coordinator.set_replace_after(seconds("BENCH_REPLACE_AFTER", 120));
    links.serve(router().merge(coordinator.service()).merge(service(&coordinator)).build());
    tokio::signal::ctrl_c().await?;
    coordinator.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

fn config(args: &NodeArgs) -> ConsensusConfig {
    ConsensusConfig {
        role: Role::Manager,
        datacenter: "here".into(),
        cluster_name: CLUSTER.into(),
        data_dir: args.dir.clone(),
        name: args.name.clone(),
        initial_members: args.members.clone(),
        profile: Profile::Lan,
        replication: 3,
        groups_max: 20_000,
        awake_max: 20_000,
        resident_max: 20_000,
        sleep_after: seconds("BENCH_SLEEP_AFTER", 10),
        evict_after: seconds("BENCH_EVICT_AFTER", 300),
        snapshot_entries: 5000,
        register_timeout: Duration::from_secs(60),
        tombstone_keep: Duration::from_secs(86_400),
        wal_segment_bytes: 64 << 20,
        wal_budget_bytes: 1 << 30,
        in_flight_per_group: 1024,
        in_flight_per_node: 8192,
    }
}

/// A time from the environment, which the bench of each state sets.
fn seconds(variable: &str, default: u64) -> Duration {
    let given = std::env::var(variable).ok().and_then(|text| text.parse().ok());
    Duration::from_secs(given.unwrap_or(default))
}

/// What somebody says about himself in this installation.
pub fn hello(node: NodeId, (role, name, rpc): (Role, &str, &str), generation: Generation) -> Hello {
    Hello {
        protocol: PROTOCOL,
        cluster_name: CLUSTER.into(),
        cluster: None,
        node,
        member: MemberNumber(0),
        generation,
        role,
        datacenter: "here".into(),
        name: name.into(),
        rpc: rpc.into(),
        feature: 1,
    }
}

fn swim_config(
    identity: &identity::Identity,
    args: &NodeArgs,
    own: &InitialMember,
) -> anyhow::Result<muster_swim::Config> {
    Ok(muster_swim::Config {
        id: identity.node,
        generation: identity.generation,
        cluster: CLUSTER.into(),
        listen: own.swim.parse()?,
        seeds: args.members.iter().map(|member| member.swim.clone()).collect(),
        meta: Meta {
            role: Role::Manager,
            dc: "here".into(),
            name: own.name.clone(),
            rpc: own.rpc.clone(),
            swim: own.swim.clone(),
            ..Meta::default()
        },
        profile: muster_swim::Profile::Lan,
        keys: muster_swim::KeyRing::default(),
    })
}

fn service(coordinator: &Coordinator<Values>) -> Arc<dyn Service> {
    let (create, put, ask, leader) =
        (coordinator.clone(), coordinator.clone(), coordinator.clone(), coordinator.clone());
    router()
        .on::<Create, _, _>(move |_, call| on_create(create.clone(), call.job))
        .on::<PutAt, _, _>(move |_, call| on_put(put.clone(), call))
        .on::<AskNode, _, _>(move |_, _| std::future::ready(Ok(state(&ask))))
        .on::<AskLeader, _, _>(move |_, call| {
            let leads = leader.leader(call.job).map_or(0, |node| node.member.0);
            std::future::ready(Ok(leads))
        })
        .merge(faults_service(coordinator))
        .build()
}

/// What soaks ask for.
fn faults_service(coordinator: &Coordinator<Values>) -> Arc<dyn Service> {
    let (get, transfer, drain, remove, replicas) = (
        coordinator.clone(),
        coordinator.clone(),
        coordinator.clone(),
        coordinator.clone(),
        coordinator.clone(),
    );
    router()
        .on::<GetAt, _, _>(move |_, call| on_get(get.clone(), call))
        .on::<Transfer, _, _>(move |_, call| on_transfer(transfer.clone(), call))
        .on::<Drain, _, _>(move |_, _| on_drain(drain.clone()))
        .on::<Remove, _, _>(move |_, call| on_remove(remove.clone(), call))
        .on::<AskReplicas, _, _>(move |_, call| {
            let members = replicas.replicas(call.job).into_iter().map(|node| node.member.0);
            std::future::ready(Ok(members.collect::<Vec<u32>>()))
        })
        .build()
}

async fn on_get(coordinator: Coordinator<Values>, call: GetAt) -> Result<Option<Bytes>, RpcError> {
    let within = Duration::from_millis(call.within_ms);
    let view = coordinator.read(call.job, Consistency::Linearizable, within).await?;
    Ok(view.state.get(call.key))
}

async fn on_transfer(coordinator: Coordinator<Values>, call: Transfer) -> Result<Ack, RpcError> {
    coordinator.hand_over(call.job, MemberNumber(call.to), Duration::from_secs(1)).await?;
    Ok(Ack {})
}

async fn on_drain(coordinator: Coordinator<Values>) -> Result<Ack, RpcError> {
    let (directory, me) = (coordinator.directory(), coordinator.me().member);
    let generation = directory.member(me).map(|row| row.generation).unwrap_or_default();
    let status = Some(MemberStatus::Draining);
    let drain = MemberState { member: me, generation, status, ..MemberState::default() };
    let entry = Entry::new(JobId(0), Token(0), 1).with(&drain);
    let entry = entry.map_err(|error| RpcError::Malformed(error.to_string()))?;
    coordinator.directory_propose(entry, CREATE_WITHIN).await?;
    Ok(Ack {})
}

async fn on_remove(coordinator: Coordinator<Values>, call: Remove) -> Result<Ack, RpcError> {
    let remove = MemberRemove { member: MemberNumber(call.member) };
    let entry = Entry::new(JobId(0), Token(0), 1).with(&remove);
    let entry = entry.map_err(|error| RpcError::Malformed(error.to_string()))?;
    coordinator.directory_propose(entry, CREATE_WITHIN).await?;
    Ok(Ack {})
}

async fn on_create(coordinator: Coordinator<Values>, job: JobId) -> Result<Ack, RpcError> {
    let registration = muster_consensus::directory::RegisterJob {
        job,
        key: None,
        digest: Digest([7; 32]),
        name: "bench".into(),
        labels: Default::default(),
        proposer: coordinator.me().member,
        avoid: vec![],
        replication: 3,
        retired: None,
        opening: None,
    };
    coordinator.register(registration, CREATE_WITHIN).await?;
    Ok(Ack {})
}

async fn on_put(coordinator: Coordinator<Values>, call: PutAt) -> Result<Ack, RpcError> {
    let put = Put { key: call.key, value: call.value };
    let entry = Entry::new(call.job, Token(0), 1).with(&put);
    let entry = entry.map_err(|error| RpcError::Malformed(error.to_string()))?;
    coordinator.propose(call.job, entry, Duration::from_millis(call.within_ms)).await?;
    Ok(Ack {})
}

fn state(coordinator: &Coordinator<Values>) -> NodeState {
    let counts = coordinator.counts();
    let directory = coordinator.directory();
    NodeState {
        groups: [counts.total, counts.awake, counts.asleep, counts.evicted, counts.leading],
        jobs: directory.jobs().count(),
        active: directory.active().count(),
        me: coordinator.me().member.0,
        replicas: counts.total,
        is_led: coordinator.directory_status().leader.is_some(),
    }
}

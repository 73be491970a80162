//! What every process starts: identity, listeners, links and the failure detector.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use muster_consensus::{Identity, identity};
use muster_link::{LinkConfig, LinkParts, Links};
use muster_runtime::task::Late;
use muster_runtime::{Clock, TaskKind, TaskScope};
use muster_swim::{LeaveReason, Swim};
use muster_wire::api::NodeView;
use muster_wire::hello::{Hello, PROTOCOL};
use tokio::net::TcpListener;

use super::BootError;
use super::membership;
use crate::config::Config;
use crate::facts::{Additions, Basics, NodeFacts, PlainFacts};
use crate::http::{Access, Layers, Problem, Server, ServerBounds, ServerParts, layered};
use crate::{routes, telemetry};

const IDENTITY: TaskKind = TaskKind::new("identity");
/// Longest wait for the goodbye to be told.
const GOODBYE: Duration = Duration::from_millis(400);

/// What a node is started with.
pub struct BootParts {
    /// Its configuration.
    pub config: Config,
    /// Owns every task of the node.
    pub scope: TaskScope,
    /// Its clock.
    pub clock: Clock,
    /// Listeners that are bound already.
    pub listeners: Listeners,
}

/// TCP listeners bound by the caller, such as a program that runs several nodes on free ports.
#[derive(Default)]
pub struct Listeners {
    /// For `listen.http`.
    pub http: Option<TcpListener>,
    /// For `listen.rpc`.
    pub rpc: Option<TcpListener>,
}

/// A process that has an identity, links and a failure detector. Cheap to clone.
#[derive(Clone)]
pub struct Base {
    /// Its configuration.
    pub config: Arc<Config>,
    /// Who it is.
    pub identity: Identity,
    /// Its links.
    pub links: Links,
    /// Its failure detector.
    pub swim: Swim,
    /// Owns every task.
    pub scope: TaskScope,
    /// Its clock.
    pub clock: Clock,
    /// Readiness and health that the tier adds.
    pub additions: Additions,
    /// Its HTTP server.
    pub http: Server,
    /// `host:port` of its rpc listener for others.
    pub rpc_advertised: String,
    document: NodeView,
    began: tokio::time::Instant,
}

/// Until there are routes, whatever is asked: come again.
fn unready() -> Router {
    Router::new().fallback(|| async { Problem::starting() })
}

impl Base {
    /// Starts everything that does not depend on the role. HTTP answers `/livez`; the rest follows with
    /// [`Base::set_routes`].
    pub async fn start(parts: BootParts) -> Result<Self, BootError> {
        let BootParts { config, scope, clock, listeners } = parts;
        muster_allocator::give_back_after_threads();
        telemetry::start_metrics(&scope);
        let identity = open_identity(&config, &scope).await?;
        let http = bind("http", listeners.http, config.listen.http).await?;
        let rpc = bind("rpc", listeners.rpc, config.listen.rpc).await?;
        let addresses = Addresses::new(&config, &http, &rpc)?;
        let parts = LinkParts {
            listener: rpc,
            hello: hello(&config, &identity, &addresses.rpc),
            scope: scope.clone(),
            clock: clock.clone(),
        };
        let links = Links::start(link_config(&config), parts);
        let swim = membership::start(&config, &identity, (&addresses, &scope, &clock)).await?;
        membership::feed_evidence(&links, &swim, &scope);
        let bounds = ServerBounds { connections_max: config.limits.connections, ..ServerBounds::default() };
        let parts = ServerParts { listener: http, routes: unready(), bounds, scope: scope.clone() };
        let http = Server::start(parts).map_err(|source| bind_error("http", config.listen.http, source))?;
        let document = document(&config, &identity, (&addresses, &swim));
        let (config, additions, began) = (Arc::new(config), Additions::default(), clock.now());
        let rpc_advertised = addresses.rpc;
        Ok(Self {
            config,
            identity,
            links,
            swim,
            scope,
            clock,
            additions,
            http,
            rpc_advertised,
            document,
            began,
        })
    }

    /// A worker's routes: the basic ones, and `tier`'s.
    pub fn set_plain_routes(&self, tier: Router) {
        let facts: Arc<dyn NodeFacts> = Arc::new(PlainFacts(self.basics()));
        self.set_routes(routes::basic(facts).merge(tier));
    }

    /// Replaces every route of the HTTP server.
    pub fn set_routes(&self, routes: Router) {
        let layers = Layers {
            body_bytes_max: self.config.limits.body_bytes,
            deadline: self.config.limits.request_timeout,
            access: Access::new(self.config.security.tokens.clone()),
            clock: self.clock.clone(),
        };
        self.http.replace(layered(routes, layers));
    }

    pub(crate) fn basics(&self) -> Basics {
        Basics {
            config: self.config.clone(),
            swim: self.swim.clone(),
            clock: self.clock.clone(),
            began: self.began,
            additions: self.additions.clone(),
            document: self.document.clone(),
        }
    }

    /// Not ready any more; the others are told.
    pub(crate) async fn say_goodbye(&self) {
        self.additions.set_stopping();
        self.swim.leave(LeaveReason::Shutdown, GOODBYE).await;
    }

    /// Says goodbye and ends every task; names those that are late.
    pub async fn shutdown(&self, within: Duration) -> Result<(), Late> {
        let began = self.clock.now();
        self.say_goodbye().await;
        self.scope.shutdown(within.saturating_sub(self.clock.now() - began)).await
    }
}

async fn open_identity(config: &Config, scope: &TaskScope) -> Result<Identity, BootError> {
    let (dir, name, role) = (config.node.data_dir.clone(), config.node.name.clone(), config.role);
    let opened = scope.spawn_blocking(IDENTITY, move || identity::open(&dir, &name, role)).await;
    Ok(opened.ok_or(BootError::Stopped)??)
}

async fn bind(
    what: &'static str,
    bound: Option<TcpListener>,
    addr: SocketAddr,
) -> Result<TcpListener, BootError> {
    match bound {
        Some(listener) => Ok(listener),
        None => TcpListener::bind(addr).await.map_err(|source| bind_error(what, addr, source)),
    }
}

const fn bind_error(what: &'static str, addr: SocketAddr, source: std::io::Error) -> BootError {
    BootError::Bind { what, addr, source }
}

/// Where others find this node.
pub(super) struct Addresses {
    pub(super) http: String,
    pub(super) rpc: String,
    /// Empty: the failure detector fills in what it has bound.
    pub(super) swim: String,
}

impl Addresses {
    fn new(config: &Config, http: &TcpListener, rpc: &TcpListener) -> Result<Self, BootError> {
        let bound = |what, listener: &TcpListener, addr| {
            let local = listener.local_addr().map_err(|source| bind_error(what, addr, source));
            local.map(|local| local.to_string())
        };
        let advertise = &config.advertise;
        let http = bound("http", http, config.listen.http)?;
        let rpc = bound("rpc", rpc, config.listen.rpc)?;
        Ok(Self {
            http: advertise.http.clone().unwrap_or(http),
            rpc: advertise.rpc.clone().unwrap_or(rpc),
            swim: advertise.swim.clone().unwrap_or_default(),
        })
    }
}

fn hello(config: &Config, identity: &Identity, rpc: &str) -> Hello {
    Hello {
        protocol: PROTOCOL,
        cluster_name: config.node.cluster.clone(),
        cluster: identity.cluster,
        node: identity.node,
        member: identity.member,
        generation: identity.generation,
        role: config.role,
        datacenter: config.node.datacenter.clone(),
        name: config.node.name.clone(),
        rpc: rpc.to_owned(),
        feature: muster_machine::FEATURE,
    }
}

fn link_config(config: &Config) -> LinkConfig {
    LinkConfig {
        in_flight_per_peer: config.limits.calls_per_peer,
        served_in_flight: config.limits.calls_served,
        ..LinkConfig::default()
    }
}

fn document(config: &Config, identity: &Identity, (addresses, swim): (&Addresses, &Swim)) -> NodeView {
    let advertised = [
        ("http", addresses.http.clone()),
        ("rpc", addresses.rpc.clone()),
        ("swim", swim.member(identity.node).map(|me| me.meta.swim.clone()).unwrap_or_default()),
    ];
    NodeView {
        id: identity.node.to_string(),
        name: config.node.name.clone(),
        generation: identity.generation.0,
        role: config.role.name().into(),
        datacenter: config.node.datacenter.clone(),
        addresses: advertised.into_iter().map(|(name, addr)| (name.to_owned(), addr)).collect(),
        version: env!("CARGO_PKG_VERSION").into(),
        features: vec![format!("feature:{}", muster_machine::FEATURE)],
        uptime: String::new(),
        draining: String::new(),
        config: config.document(),
    }
}

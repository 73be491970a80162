//! One HTTP listener: every connection is a task of the node's scope, bounded, and ends with it.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use muster_runtime::{CancellationToken, TaskKind, TaskScope};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const LISTENER: TaskKind = TaskKind::vital("http_listener");
const CONNECTION: TaskKind = TaskKind::new("http_connection");
/// Rest after an accept error (such as: no file descriptors left).
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// The bounds of a server.
#[derive(Clone, Copy, Debug)]
pub struct ServerBounds {
    /// Connections open at the same time; more are closed at once.
    pub connections_max: usize,
    /// Time to send the head of a request, and longest pause between two requests.
    pub head_timeout: Duration,
    /// What requests under way may still take when the node stops.
    pub stop_grace: Duration,
}

impl Default for ServerBounds {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            head_timeout: Duration::from_secs(75),
            stop_grace: Duration::from_secs(2),
        }
    }
}

/// What a server is started with.
pub struct ServerParts {
    /// Where clients connect.
    pub listener: TcpListener,
    /// The first routes.
    pub routes: Router,
    /// The bounds.
    pub bounds: ServerBounds,
    /// Owns every task.
    pub scope: TaskScope,
}

/// A running HTTP server. Cheap to clone: clones are the same server. It stops with its scope.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

struct Shared {
    routes: RwLock<Router>,
    bounds: ServerBounds,
    places: Arc<Semaphore>,
    addr: SocketAddr,
    scope: TaskScope,
}

impl Server {
    /// Accepts at once.
    pub fn start(parts: ServerParts) -> std::io::Result<Self> {
        let ServerParts { listener, routes, bounds, scope } = parts;
        let addr = listener.local_addr()?;
        let places = Arc::new(Semaphore::new(bounds.connections_max));
        let shared = Arc::new(Shared { routes: RwLock::new(routes), bounds, places, addr, scope });
        shared.scope.spawn_until_stop(LISTENER, accept_all(shared.clone(), listener));
        Ok(Self { shared })
    }

    /// Replaces the routes; connections that are open use the new ones from their next request on.
    pub fn replace(&self, routes: Router) {
        *self.shared.routes.write().unwrap_or_else(PoisonError::into_inner) = routes;
    }

    /// The bound address.
    pub fn addr(&self) -> SocketAddr {
        self.shared.addr
    }
}

async fn accept_all(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => shared.take_in(stream, peer),
            Err(error) => {
                tracing::warn!(%error, "cannot accept an HTTP connection");
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }
}

impl Shared {
    fn take_in(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            metrics::counter!("muster_queue_rejected_total", "queue" => "http_connections").increment(1);
            return;
        };
        let shared = self.clone();
        let from = (stream, peer);
        self.scope.spawn(CONNECTION, |stop| async move { shared.attend(from, (stop, place)).await });
    }

    /// Serves one connection; on stop, what is under way gets a little time.
    async fn attend(
        &self,
        (stream, peer): (TcpStream, SocketAddr),
        (stop, _place): (CancellationToken, OwnedSemaphorePermit),
    ) {
        let _ = stream.set_nodelay(true);
        let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner).clone();
            hyper::service::Service::call(&TowerToHyperService::new(routes), request)
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.bounds.head_timeout);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            _ = connection.as_mut() => return,
            () = stop.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(self.bounds.stop_grace, connection).await;
    }
}

//! A receiver of webhooks that remembers what it was told, and refuses one of a few.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use muster_runtime::{TaskKind, TaskScope};
use muster_wire::JobId;
use muster_wire::api::CallbackDelivery;
use tokio::net::TcpListener;

const RECEIVER: TaskKind = TaskKind::new("webhook_receiver");
/// One of so many deliveries is refused at first.
const REFUSED_ONE_IN: u64 = 11;

/// What was delivered, by job, in the order of arrival: sequence and token.
type Deliveries = BTreeMap<JobId, Vec<(u64, u64)>>;

/// Remembers its deliveries. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Hook {
    got: Arc<Mutex<Deliveries>>,
    count: Arc<AtomicU64>,
    stale: Arc<AtomicU64>,
}

impl Hook {
    /// Serves at an address; the answer is the url.
    pub(super) async fn start(host: &str, scope: &TaskScope) -> anyhow::Result<(Self, String)> {
        let hook = Self::default();
        let listener = TcpListener::bind((host, 0)).await?;
        let addr: SocketAddr = listener.local_addr()?;
        let routes = Router::new().route("/hook", post(take)).with_state(hook.clone());
        scope.spawn_until_stop(RECEIVER, async move { _ = axum::serve(listener, routes).await });
        Ok((hook, format!("http://{addr}/hook")))
    }

    /// What a job's webhook got.
    pub(super) fn of(&self, job: JobId) -> Vec<(u64, u64)> {
        let got = self.got.lock().unwrap_or_else(PoisonError::into_inner);
        got.get(&job).cloned().unwrap_or_default()
    }

    /// Deliveries of gates that did not lead the job any more: their token was below one seen before.
    pub(super) fn stale(&self) -> u64 {
        self.stale.load(Ordering::Relaxed)
    }

    /// Deliveries so far, refused ones included.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

async fn take(State(hook): State<Hook>, Json(delivery): Json<CallbackDelivery>) -> StatusCode {
    if hook.count.fetch_add(1, Ordering::Relaxed) % REFUSED_ONE_IN == 0 {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let mut got = hook.got.lock().unwrap_or_else(PoisonError::into_inner);
    let known = got.entry(delivery.job).or_default();
    if known.iter().any(|(_, token)| *token > delivery.token) {
        hook.stale.fetch_add(1, Ordering::Relaxed);
        return StatusCode::CONFLICT;
    }
    known.push((delivery.sequence, delivery.token));
    StatusCode::OK
}

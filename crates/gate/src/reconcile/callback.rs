//! Delivers to each webhook what it is owed, in order, at least once; the position is committed after the receiver's
//! acknowledgement. A webhook to which nothing could be delivered for the whole `callback_timeout` is given up.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use muster_machine::Entry;
use muster_node::driver::{Next, Reconciler};
use muster_wire::CodecError;
use muster_wire::api::CallbackDelivery;

use super::{Job, acts, commit, entry, settled, sooner, unencodable};
use crate::gate::Gate;
use crate::machine::commands::{CallbackChange, RemoveCallback, SetCallback};
use crate::machine::{Callback, GateJob, Owed};
use crate::present;
use crate::webhook::Undelivered;

/// After so long the position is committed, before more is delivered.
const ROUND: Duration = Duration::from_secs(2);

pub(super) struct CallbackDuty {
    gate: Gate,
}

impl CallbackDuty {
    pub(super) const fn new(gate: Gate) -> Self {
        Self { gate }
    }
}

impl Reconciler<GateJob> for CallbackDuty {
    fn name(&self) -> &'static str {
        "callback"
    }

    fn reconcile<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Next> {
        async move { settled(self.serve(job).await) }.boxed()
    }
}

/// What became of one webhook in a round.
struct Served<'a> {
    url: &'a str,
    /// Delivered up to here, if anything was.
    moved_to: Option<u64>,
    gave_up: Option<String>,
    next: Next,
}

impl CallbackDuty {
    async fn serve(&self, job: &Job) -> Result<Next, Next> {
        let state = &job.view.state;
        if !acts(job) || !state.owes_callbacks() {
            return Ok(Next::Idle);
        }
        let owing = state.callbacks.iter().filter(|(_, callback)| callback.is_owed(state));
        let served = join_all(owing.map(|(url, callback)| self.serve_one(job, url, callback))).await;
        let next = served.iter().fold(Next::Idle, |next, served| sooner(next, served.next));
        let entry = record(job, &served).map_err(|error| unencodable(&error))?;
        if entry.commands.is_empty() {
            return Ok(next);
        }
        commit(job, "callback", entry).await?;
        Ok(Next::Again)
    }

    async fn serve_one<'a>(&self, job: &Job, url: &'a str, callback: &Callback) -> Served<'a> {
        let fresh = Served { url, moved_to: None, gave_up: None, next: Next::Again };
        match self.pause(job, url) {
            Some(pause) => Served { next: Next::After(pause), ..fresh },
            None => self.serve_in_order(job, fresh, callback).await,
        }
    }

    async fn serve_in_order<'a>(&self, job: &Job, mut served: Served<'a>, callback: &Callback) -> Served<'a> {
        let (began, url) = (job.clock.now(), served.url);
        for owed in callback.owed(&job.view.state) {
            if job.clock.now() - began > ROUND {
                break;
            }
            if let Err(why) = self.deliver(job, (url, callback), &owed).await {
                return self.failed(job, (served, callback), (&owed, why));
            }
            self.gate.webhooks.tries.forget(job.job, url);
            served.moved_to = Some(owed.version());
        }
        served
    }

    /// The rest of the pause after a failed try.
    fn pause(&self, job: &Job, url: &str) -> Option<Duration> {
        let tries = self.gate.webhooks.tries.get(job.job, url)?;
        let left = tries.next.saturating_duration_since(job.clock.now());
        (!left.is_zero()).then_some(left)
    }

    async fn deliver(
        &self,
        job: &Job,
        (url, callback): (&str, &Callback),
        owed: &Owed<'_>,
    ) -> Result<(), Undelivered> {
        let webhooks = &self.gate.webhooks;
        let secret = webhooks.seal.open(&callback.secret, &place(job, url));
        let secret =
            secret.map_err(|_| Undelivered::Again("this gate has another `security.seal_key`".into()))?;
        let Some(delivery) = delivery(job, owed) else { return Ok(()) };
        let outcome = webhooks.post(url, (&delivery, &secret)).await;
        let word = if outcome.is_ok() { "delivered" } else { "failed" };
        metrics::counter!("muster_callbacks_total", "outcome" => word).increment(1);
        outcome
    }

    fn failed<'a>(
        &self,
        job: &Job,
        (served, callback): (Served<'a>, &Callback),
        (owed, why): (&Owed<'_>, Undelivered),
    ) -> Served<'a> {
        let ends_ms = self.gate.config.gives_up_ms(callback, owed);
        match why {
            Undelivered::Gone => Served { gave_up: Some("it answered 410 Gone".into()), ..served },
            Undelivered::Again(why) if job.now_ms() >= ends_ms => Served { gave_up: Some(why), ..served },
            Undelivered::Again(why) => {
                let pause = self.gate.webhooks.tries.failed((job.job, served.url), why, job.clock.now());
                Served { next: Next::After(pause), ..served }
            }
        }
    }
}

/// What a secret is sealed for: a copy of it is worth nothing at another job.
pub(crate) fn place_of(job: muster_wire::JobId, url: &str) -> String {
    format!("{job} {url}")
}

fn place(job: &Job, url: &str) -> String {
    place_of(job.job, url)
}

fn delivery(job: &Job, owed: &Owed<'_>) -> Option<CallbackDelivery> {
    let state = &job.view.state;
    let event = match owed {
        Owed::Event(event) => present::event(state, event),
        Owed::Truncated(_) => present::truncated(state)?,
    };
    Some(CallbackDelivery { job: job.job, sequence: event.version, token: job.token().0, event })
}

/// The new positions, and those given up.
fn record(job: &Job, served: &[Served<'_>]) -> Result<Entry, CodecError> {
    let mut entry = entry(job);
    for served in served {
        let url = served.url.to_owned();
        if let Some(gave_up) = &served.gave_up {
            tracing::warn!(job = %job.job, url, gave_up, "a webhook is given up");
            let delivered = job.view.state.callbacks.get(&url).map_or(0, |known| known.delivered);
            let delivered_through = served.moved_to.unwrap_or(delivered);
            entry.push(&RemoveCallback { url, delivered_through, gave_up: Some(gave_up.clone()) })?;
            continue;
        }
        let Some(from_version) = served.moved_to else { continue };
        let (kinds, secret) = (Vec::new(), Vec::new());
        entry.push(&SetCallback { url, kinds, secret, from_version, change: CallbackChange::Move })?;
    }
    Ok(entry)
}

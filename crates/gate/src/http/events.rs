//! `GET /v1/jobs/{id}/events`: what happens to a job, as server-sent events. Ids are the job's versions, the same at
//! every gate, without gap or repeat.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use muster_consensus::{Consistency, View};
use muster_node::http::{Answer, Problem};
use muster_runtime::CancellationToken;
use muster_wire::api::{EventKind, JobEvent, StatsWindowView};
use muster_wire::stats::StatsWindow;
use serde::Deserialize;

use super::resolve::read;
use crate::follow::{Follower, version};
use crate::gate::Gate;
use crate::machine::GateJob;
use crate::present;

/// A comment is sent when nothing else is.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Windows of numbers are looked for this often, for those who ask for them.
const STATS_PERIOD: Duration = Duration::from_secs(2);
/// Windows that are younger may still grow.
const STATS_AGE_MS: u64 = 2_000;

#[derive(Deserialize)]
pub(super) struct Params {
    last_event_id: Option<u64>,
    #[serde(default)]
    stats: bool,
}

pub(super) async fn events(
    State(gate): State<Gate>,
    Path(id): Path<String>,
    Query(params): Query<Params>,
    headers: HeaderMap,
) -> Answer<Response> {
    let last = last_event_id(&headers)?.or(params.last_event_id).unwrap_or(0);
    let view = read(&gate, &id, Consistency::Linearizable).await?;
    if view.state.is_terminal() && last >= version(&view) {
        // The end was seen: a client that reconnects by itself stops at this.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let numbers = params.stats.then(|| Numbers { gate: gate.clone(), from_ms: 0 });
    let feed = Feed { numbers, ..Feed::new(&gate, &view, last) };
    Ok(Sse::new(feed.into_stream()).keep_alive(keep_alive).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Answer<Option<u64>> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.map(Some).ok_or_else(|| Problem::malformed("Last-Event-ID is a number"))
}

/// One item of the stream.
enum Item {
    Event(Box<JobEvent>),
    /// Has no id: it is not part of the job's story.
    Stats(Box<StatsWindowView>),
}

/// A client's place in the numbers of a job.
struct Numbers {
    gate: Gate,
    from_ms: u64,
}

impl Numbers {
    /// The closed windows that were not told yet, after a while.
    async fn next(&mut self, job: &GateJob) -> Vec<Item> {
        tokio::time::sleep(STATS_PERIOD).await;
        let closed_ms = self.gate.clock.unix_ms().saturating_sub(STATS_AGE_MS);
        let windows = super::stats::since(&self.gate, job, self.from_ms).await;
        let closed = windows.iter().filter(|window| window.start_ms + window.width_ms <= closed_ms);
        let closed: Vec<&StatsWindow> = closed.collect();
        let ends_ms = closed.iter().map(|window| window.start_ms + window.width_ms).max();
        self.from_ms = ends_ms.unwrap_or(self.from_ms);
        closed.into_iter().map(|window| Item::Stats(Box::new(present::window(job, window)))).collect()
    }
}

async fn numbers(numbers: &mut Option<Numbers>, job: &GateJob) -> Vec<Item> {
    match numbers {
        Some(numbers) => numbers.next(job).await,
        None => std::future::pending().await,
    }
}

/// One client's place in the events of a job.
struct Feed {
    follower: Follower,
    stop: CancellationToken,
    ready: VecDeque<Item>,
    numbers: Option<Numbers>,
    job: Arc<GateJob>,
    last: u64,
    is_over: bool,
}

impl Feed {
    fn new(gate: &Gate, view: &View<GateJob>, last: u64) -> Self {
        let (follower, stop) = (Follower::new(gate, view.state.job), gate.scope.stop_token());
        let (ready, job) = (VecDeque::new(), view.state.clone());
        let mut feed = Self { follower, stop, ready, numbers: None, job, last, is_over: false };
        feed.take(&view.state);
        feed
    }

    fn into_stream(self) -> impl Stream<Item = Result<SseEvent, Infallible>> {
        stream::unfold(self, |mut feed| async move {
            let item = feed.next().await?;
            Some((Ok(encode(&item)), feed))
        })
    }

    async fn next(&mut self) -> Option<Item> {
        while self.ready.is_empty() {
            if self.is_over {
                return None;
            }
            self.wait().await;
        }
        self.ready.pop_front()
    }

    /// Waits for something new; a job that cannot be read any more ends the stream, and the client comes back.
    async fn wait(&mut self) {
        tokio::select! {
            change = self.follower.beyond(self.last) => match change {
                Ok(view) if view.state.record.is_some() => self.take(&view.state),
                _ => self.is_over = true,
            },
            items = numbers(&mut self.numbers, &self.job) => self.ready.extend(items),
            () = self.stop.cancelled() => self.is_over = true,
        }
    }

    /// Makes everything ready that the client has not seen.
    fn take(&mut self, job: &Arc<GateJob>) {
        self.is_over = job.is_terminal();
        self.job = job.clone();
        let unseen = unseen(job, self.last).into_iter().map(|event| Item::Event(Box::new(event)));
        self.ready.extend(unseen);
        self.last = job.record.as_ref().map_or(self.last, |record| record.version);
    }
}

/// What a client that has seen everything up to `last` is told: each later event, or, when the first of them is not
/// kept any more, the current state. What is told of a job that is over ends with its end.
fn unseen(job: &GateJob, last: u64) -> Vec<JobEvent> {
    let first = job.events.front().map_or(1, |event| event.version);
    if last + 1 >= first {
        let events = job.events.iter().filter(|event| event.version > last);
        return events.map(|event| present::event(job, event)).collect();
    }
    let end = job.events.last().filter(|event| event.what.kind() == EventKind::End);
    present::truncated(job).into_iter().chain(end.map(|event| present::event(job, event))).collect()
}

fn encode(item: &Item) -> SseEvent {
    match item {
        Item::Event(event) => encode_event(event),
        Item::Stats(window) => {
            let data = serde_json::to_string(window).unwrap_or_default();
            SseEvent::default().event(EventKind::Stats.word()).data(data)
        }
    }
}

fn encode_event(event: &JobEvent) -> SseEvent {
    let data = serde_json::to_string(event).unwrap_or_default();
    SseEvent::default().event(event.kind.word()).id(event.version.to_string()).data(data)
}

#[cfg(test)]
mod tests {
    use muster_wire::job::JobStatus;

    use super::*;
    use crate::machine::commands::{CallbackChange, RemoveCallback, SetCallback};
    use crate::machine::fixture::Bench;

    /// A running job of so many events.
    fn storied(events: u64) -> Bench {
        let mut bench = Bench::submitted();
        while bench.job().events.last().is_some_and(|event| event.version < events) {
            let (url, kinds, secret) = ("http://x".to_owned(), vec![], vec![]);
            let added = SetCallback {
                url: url.clone(),
                kinds,
                secret,
                from_version: 0,
                change: CallbackChange::Define,
            };
            bench.run(0, added);
            bench.run(0, RemoveCallback { url, delivered_through: 0, gave_up: None });
        }
        bench
    }

    #[test]
    fn a_client_that_is_too_late_is_told_that_the_story_is_cut_and_goes_on_from_there() {
        let bench = storied(1_100);
        let seen = unseen(bench.job(), 0);
        assert_eq!((seen.len(), seen[0].kind, seen[0].version), (1, EventKind::Truncated, 1_100));
        assert!(seen[0].job.is_some(), "with the current state");
        assert!(unseen(bench.job(), 1_100).is_empty());
        let on_time = unseen(bench.job(), 1_050);
        assert!(on_time.iter().map(|event| event.version).eq(1_051..=1_100));
    }

    #[test]
    fn what_is_told_of_a_job_that_is_over_ends_with_its_end_however_late_the_client_is() {
        let mut bench = storied(1_100);
        bench.move_to(JobStatus::Failed);
        for last in [0, 1_090] {
            let kinds: Vec<EventKind> = unseen(bench.job(), last).iter().map(|event| event.kind).collect();
            assert_eq!(kinds.last(), Some(&EventKind::End), "{last}: {kinds:?}");
        }
    }
}

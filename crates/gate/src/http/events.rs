//! `GET /v1/jobs/{id}/events`: what happens to a job, as server-sent events. Ids are the job's versions, the same at
//! every gate, without gap or repeat.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use muster_consensus::{Consistency, View};
use muster_node::http::{Answer, Problem};
use muster_runtime::CancellationToken;
use muster_wire::api::JobEvent;
use serde::Deserialize;

use super::resolve::read;
use crate::follow::{Follower, version};
use crate::gate::Gate;
use crate::machine::GateJob;
use crate::present;

/// A comment is sent when nothing else is.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
pub(super) struct Params {
    last_event_id: Option<u64>,
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
    Ok(Sse::new(Feed::new(&gate, &view, last).into_stream()).keep_alive(keep_alive).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Answer<Option<u64>> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.map(Some).ok_or_else(|| Problem::malformed("Last-Event-ID is a number"))
}

/// One client's place in the events of a job.
struct Feed {
    follower: Follower,
    stop: CancellationToken,
    ready: VecDeque<JobEvent>,
    last: u64,
    is_over: bool,
}

impl Feed {
    fn new(gate: &Gate, view: &View<GateJob>, last: u64) -> Self {
        let (follower, stop) = (Follower::new(gate, view.state.job), gate.scope.stop_token());
        let mut feed = Self { follower, stop, ready: VecDeque::new(), last, is_over: false };
        feed.take(&view.state);
        feed
    }

    fn into_stream(self) -> impl Stream<Item = Result<SseEvent, Infallible>> {
        stream::unfold(self, |mut feed| async move {
            let event = feed.next().await?;
            Some((Ok(encode(&event)), feed))
        })
    }

    async fn next(&mut self) -> Option<JobEvent> {
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
        let change = self.follower.beyond(self.last);
        match self.stop.run_until_cancelled(change).await {
            Some(Ok(view)) if view.state.record.is_some() => self.take(&view.state),
            _ => self.is_over = true,
        }
    }

    /// Makes everything ready that the client has not seen.
    fn take(&mut self, job: &GateJob) {
        self.is_over = job.is_terminal();
        let first = job.events.front().map_or(1, |event| event.version);
        if self.last + 1 < first {
            self.ready.extend(present::truncated(job));
        } else {
            let unseen = job.events.iter().filter(|event| event.version > self.last);
            self.ready.extend(unseen.map(|event| present::event(job, event)));
        }
        self.last = job.record.as_ref().map_or(self.last, |record| record.version);
        self.close(job);
    }

    /// The stream's last event is the end, also when the client was too late for the job's own.
    fn close(&mut self, job: &GateJob) {
        let ended = self.ready.back().is_none_or(|event| event.kind == muster_wire::api::EventKind::End);
        if self.is_over && !ended {
            self.ready.extend(job.events.last().map(|event| present::event(job, event)));
        }
    }
}

fn encode(event: &JobEvent) -> SseEvent {
    let data = serde_json::to_string(event).unwrap_or_default();
    SseEvent::default().event(event.kind.word()).id(event.version.to_string()).data(data)
}

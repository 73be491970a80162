//! `GET /v1/jobs/{id}/events`: a job of this datacenter as it changes, as server-sent events. Ids are the version of the
//! job's part here, the same at every manager; changes that come together are told as one.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use muster_consensus::{Consistency, View};
use muster_node::facts::resolve;
use muster_node::http::{Answer, Problem};
use muster_wire::JobId;
use muster_wire::api::{EventKind, JobEvent};

use super::jobs::READ_WITHIN;
use super::view::{job as document, rfc3339};
use crate::machine::{JobRecord, ManagerJob};
use crate::shared::Shared;

/// A comment is sent when nothing else is.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// The job is looked at this often.
const POLL: Duration = Duration::from_millis(250);

pub(super) async fn events(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    let job = resolve(&shared.coordinator.directory(), &id)?;
    let last = last_event_id(&headers)?;
    let view = shared.coordinator.read(job, Consistency::Linearizable, READ_WITHIN).await?;
    let record = view.state.record().ok_or_else(Problem::unknown_job)?;
    if record.status().is_terminal() && last >= record.version() {
        // The end was seen: a client that reconnects by itself stops at this.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let feed = Feed { shared, job, last, is_over: false };
    let events = stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok::<_, Infallible>(encode(&event)), feed))
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(Box::pin(events)).keep_alive(keep_alive).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Answer<u64> {
    let Some(value) = headers.get("last-event-id") else { return Ok(0) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| Problem::malformed("Last-Event-ID is a number"))
}

struct Feed {
    shared: Arc<Shared>,
    job: JobId,
    last: u64,
    is_over: bool,
}

impl Feed {
    /// The next change; `None` after the end, or when the job cannot be read any more: the client comes back.
    async fn next(&mut self) -> Option<JobEvent> {
        let stop = self.shared.scope.stop_token();
        while !self.is_over {
            let view = self.shared.coordinator.read(self.job, Consistency::Stale, READ_WITHIN).await.ok()?;
            let record = view.state.record()?;
            if record.version() > self.last {
                return Some(self.event(&view, record));
            }
            stop.run_until_cancelled(tokio::time::sleep(POLL)).await?;
        }
        None
    }

    fn event(&mut self, view: &View<ManagerJob>, record: &JobRecord) -> JobEvent {
        self.last = record.version();
        self.is_over = record.status().is_terminal();
        let part = document(view, record);
        let here = part.datacenters.values().next().cloned();
        JobEvent {
            version: self.last,
            kind: if self.is_over { EventKind::End } else { EventKind::Status },
            at: rfc3339(view.at_ms),
            status: record.status(),
            reason: record.reason().map(str::to_owned),
            datacenter: Some(record.datacenter().to_owned()),
            workflow: None,
            workflow_status: None,
            progress: Some(record.progress()),
            completed: here.as_ref().map(|here| here.completed),
            failed: here.as_ref().map(|here| here.failed),
            leader: view.state.leader().map(|leader| leader.name.clone()),
            job: Some(Box::new(part)),
        }
    }
}

fn encode(event: &JobEvent) -> SseEvent {
    let data = serde_json::to_string(event).unwrap_or_default();
    SseEvent::default().event(event.kind.word()).id(event.version.to_string()).data(data)
}

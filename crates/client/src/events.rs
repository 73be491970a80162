//! A job's events, one after the other, whatever gate serves them.

use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use muster_runtime::Backoff;
use muster_wire::api::JobEvent;
use tokio::time::Instant;

use crate::client::{Ask, FOREVER, plain};
use crate::{Client, ClientError};

/// The longest event accepted: a `truncated` or `end` event carries a whole job.
const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A stream that says nothing for so long (gates send comments every 10 s) is taken for dead.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Follows one job. Broken connections are taken up again at another gate from the last event seen.
pub struct EventStream {
    client: Client,
    job: String,
    last: Option<u64>,
    body: Option<BoxStream<'static, Result<bytes::Bytes, String>>>,
    buffer: BytesMut,
    broken_since: Option<Instant>,
    backoff: Backoff,
    deadline: Duration,
    ended: bool,
}

impl Client {
    /// Follows a job's events after the event `after` (`None`: from the oldest kept). `deadline` bounds how long broken
    /// connections are taken up again without hearing anything.
    pub fn events(&self, job: &str, after: Option<u64>, deadline: Duration) -> EventStream {
        EventStream {
            client: self.clone(),
            job: job.to_owned(),
            last: after,
            body: None,
            buffer: BytesMut::new(),
            broken_since: None,
            backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(1)),
            deadline,
            ended: false,
        }
    }
}

impl EventStream {
    /// The next event; `None` after `end`.
    pub async fn next(&mut self) -> Result<Option<JobEvent>, ClientError> {
        while !self.ended {
            if let Some(event) = self.take_event()? {
                return Ok(Some(event));
            }
            if let Err(why) = self.read_more().await {
                self.recover(why).await?;
            }
        }
        Ok(None)
    }

    /// Id of the last event given out.
    pub const fn last(&self) -> Option<u64> {
        self.last
    }

    async fn read_more(&mut self) -> Result<(), ClientError> {
        if self.body.is_none() {
            self.connect().await?;
        }
        let Some(body) = &mut self.body else { return Ok(()) };
        let chunk = tokio::time::timeout(SILENCE_MAX, body.next()).await;
        let chunk = chunk.map_err(|_| ClientError::Broken("the stream went silent".into()))?;
        let chunk = chunk.ok_or_else(|| ClientError::Broken("the stream ended early".into()))?;
        self.buffer.extend_from_slice(&chunk.map_err(ClientError::Broken)?);
        self.broken_since = None;
        match self.buffer.len() > EVENT_BYTES_MAX {
            true => Err(self.unexpected("an event longer than any job".into())),
            false => Ok(()),
        }
    }

    async fn connect(&mut self) -> Result<(), ClientError> {
        let mut ask = Ask::get(format!("/v1/jobs/{}/events", self.job)).header("accept", "text/event-stream");
        if let Some(last) = self.last {
            ask = ask.header("last-event-id", last.to_string());
        }
        ask.patience = FOREVER;
        let response = self.client.send(&ask).await?;
        self.buffer.clear();
        let body = response.bytes_stream().map(|chunk| chunk.map_err(|error| plain(&error)));
        self.body = Some(body.boxed());
        Ok(())
    }

    /// Another gate, unless the server's answer is final or nothing was heard for too long.
    async fn recover(&mut self, why: ClientError) -> Result<(), ClientError> {
        self.body = None;
        let now = self.client.clock().now();
        let since = *self.broken_since.get_or_insert(now);
        let hopeless = !matches!(why, ClientError::Broken(_)) || now - since > self.deadline;
        if hopeless {
            return Err(why);
        }
        self.client.rotate();
        tokio::time::sleep(self.backoff.next_delay()).await;
        Ok(())
    }

    fn take_event(&mut self) -> Result<Option<JobEvent>, ClientError> {
        while let Some(block) = take_block(&mut self.buffer) {
            let Some(event) = self.parse(&block)? else { continue };
            self.backoff.reset();
            return Ok(Some(event));
        }
        Ok(None)
    }

    fn parse(&mut self, block: &str) -> Result<Option<JobEvent>, ClientError> {
        let data: Vec<&str> =
            block.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim_start).collect();
        if data.is_empty() {
            return Ok(None);
        }
        let event: JobEvent =
            serde_json::from_str(&data.join("\n")).map_err(|error| self.unexpected(error.to_string()))?;
        self.last = field(block, "id:").and_then(|id| id.parse().ok()).or(self.last);
        self.ended = event.kind == muster_wire::api::EventKind::End;
        Ok(Some(event))
    }

    fn unexpected(&self, why: String) -> ClientError {
        ClientError::Unexpected { target: self.client.gate().into(), why }
    }
}

fn field<'a>(block: &'a str, name: &str) -> Option<&'a str> {
    block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// One block up to the empty line that ends it.
fn take_block(buffer: &mut BytesMut) -> Option<String> {
    let end = buffer.windows(2).position(|pair| pair == b"\n\n")?;
    let block = buffer.split_to(end + 2);
    Some(String::from_utf8_lossy(&block).into_owned())
}

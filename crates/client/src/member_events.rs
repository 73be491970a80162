//! What happens to members, as one node sees it.

use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use muster_wire::api::MemberEvent;

use crate::client::{Ask, FOREVER, plain};
use crate::{Client, ClientError};

/// The longest event accepted.
const EVENT_BYTES_MAX: usize = 64 * 1024;
/// A stream that says nothing for so long (nodes send comments every 10 s) is taken for dead.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Follows the members of one node's view until the connection breaks.
pub struct MemberEvents {
    body: BoxStream<'static, Result<bytes::Bytes, String>>,
    buffer: BytesMut,
}

impl Client {
    /// Follows the members: first an event `member` for each, then every change. It stays with the node that answers,
    /// for another one has another view; when that node is gone, the stream ends with an error.
    pub async fn member_events(&self) -> Result<MemberEvents, ClientError> {
        let mut ask = Ask::get("/v1/members/events").header("accept", "text/event-stream");
        ask.patience = FOREVER;
        let response = self.send(&ask).await?;
        let body = response.bytes_stream().map(|chunk| chunk.map_err(|error| plain(&error)));
        Ok(MemberEvents { body: body.boxed(), buffer: BytesMut::new() })
    }
}

impl MemberEvents {
    /// The next event; `None` when the node has stopped.
    pub async fn next(&mut self) -> Result<Option<MemberEvent>, ClientError> {
        loop {
            if let Some(line) = self.take_line() {
                match line.strip_prefix("data:") {
                    Some(data) => return read(data).map(Some),
                    None => continue,
                }
            }
            if !self.read_more().await? {
                return Ok(None);
            }
        }
    }

    fn take_line(&mut self) -> Option<String> {
        let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
        let line = self.buffer.split_to(end + 1);
        Some(String::from_utf8_lossy(&line).trim().to_owned())
    }

    /// `false`: there is no more.
    async fn read_more(&mut self) -> Result<bool, ClientError> {
        let chunk = tokio::time::timeout(SILENCE_MAX, self.body.next()).await;
        let chunk = chunk.map_err(|_| ClientError::Broken("the stream went silent".into()))?;
        let Some(chunk) = chunk else { return Ok(false) };
        self.buffer.extend_from_slice(&chunk.map_err(ClientError::Broken)?);
        match self.buffer.len() > EVENT_BYTES_MAX {
            true => Err(ClientError::Broken("an event longer than any of a member".into())),
            false => Ok(true),
        }
    }
}

fn read(data: &str) -> Result<MemberEvent, ClientError> {
    serde_json::from_str(data.trim())
        .map_err(|error| ClientError::Broken(format!("an event that is none: {error}")))
}

//! What belongs to a job: its context, its numbers, its webhooks.

use muster_wire::api::{
    CallbackRemoval, CallbackRequest, CallbackView, ContextEntry, ContextView, ContextWritten,
    IDEMPOTENCY_KEY, StatsWindowView,
};
use reqwest::Method;
use serde_json::Value;

use crate::client::Ask;
use crate::{Client, ClientError};

/// Which part of a job's context.
#[derive(Clone, Debug, Default)]
pub struct ContextPlace {
    /// Of which datacenter; absent: the first that runs the job.
    pub datacenter: Option<String>,
    /// Only when the context has this version.
    pub version: Option<u64>,
}

/// Which numbers.
#[derive(Clone, Debug, Default)]
pub struct StatsQuery {
    /// Of this workflow only.
    pub workflow: Option<String>,
    /// Of this datacenter only.
    pub datacenter: Option<String>,
    /// Only windows from this RFC 3339 time on.
    pub from: Option<String>,
    /// Windows at least so wide, such as `10s`.
    pub step: Option<String>,
}

impl Client {
    /// A job's numbers over time, merged over its datacenters.
    pub async fn stats(&self, job: &str, query: StatsQuery) -> Result<Vec<StatsWindowView>, ClientError> {
        let StatsQuery { workflow, datacenter, from, step } = query;
        let query = [("workflow", workflow), ("datacenter", datacenter), ("from", from), ("step", step)];
        self.all_with(&format!("/v1/jobs/{job}/stats"), &query).await
    }

    /// Every key of a job's context.
    pub async fn context(&self, job: &str, place: &ContextPlace) -> Result<ContextView, ClientError> {
        let ask = Ask::get(format!("/v1/jobs/{job}/context"));
        self.json(ask.query("datacenter", place.datacenter.clone())).await
    }

    /// One key of a job's context.
    pub async fn context_get(
        &self,
        (job, key): (&str, &str),
        place: &ContextPlace,
    ) -> Result<ContextEntry, ClientError> {
        let ask = Ask::get(format!("/v1/jobs/{job}/context/{}", segment(key)));
        self.json(ask.query("datacenter", place.datacenter.clone())).await
    }

    /// Sets a key of a job's context.
    pub async fn context_set(
        &self,
        (job, key): (&str, &str),
        value: &Value,
        place: &ContextPlace,
    ) -> Result<ContextWritten, ClientError> {
        let ask = Ask::new(Method::PUT, format!("/v1/jobs/{job}/context/{}", segment(key))).json(value);
        self.json(self.change(ask, place)).await
    }

    /// Deletes a key of a job's context.
    pub async fn context_delete(
        &self,
        (job, key): (&str, &str),
        place: &ContextPlace,
    ) -> Result<ContextWritten, ClientError> {
        let ask = Ask::new(Method::DELETE, format!("/v1/jobs/{job}/context/{}", segment(key)));
        self.json(self.change(ask, place)).await
    }

    /// Every try carries the same request id: the change is made once.
    fn change(&self, ask: Ask, place: &ContextPlace) -> Ask {
        let request = muster_wire::RequestId::new(self.clock().unix_ms(), muster_runtime::random::bits128());
        let ask = ask.header(IDEMPOTENCY_KEY, request.to_string());
        let ask = ask.query("datacenter", place.datacenter.clone());
        match place.version {
            Some(version) => ask.header("if-match", version.to_string()),
            None => ask,
        }
    }

    /// A job's webhooks.
    pub async fn callbacks(&self, job: &str) -> Result<Vec<CallbackView>, ClientError> {
        self.all_with(&format!("/v1/jobs/{job}/callbacks"), &[]).await
    }

    /// Adds a webhook, or changes the one with the same url.
    pub async fn callback_add(
        &self,
        job: &str,
        request: &CallbackRequest,
    ) -> Result<CallbackView, ClientError> {
        self.json(Ask::new(Method::PUT, format!("/v1/jobs/{job}/callbacks")).json(request)).await
    }

    /// Removes a webhook.
    pub async fn callback_remove(&self, job: &str, url: &str) -> Result<(), ClientError> {
        let removal = CallbackRemoval { url: url.to_owned() };
        let ask = Ask::new(Method::DELETE, format!("/v1/jobs/{job}/callbacks")).json(&removal);
        self.send(&ask).await.map(drop)
    }
}

/// A key as one segment of a path.
fn segment(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    key.bytes().fold(String::new(), |text, byte| match plain(byte) {
        true => text + &char::from(byte).to_string(),
        false => text + &format!("%{byte:02X}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_key_is_one_segment_of_a_path() {
        assert_eq!(segment("a/b c?ü"), "a%2Fb%20c%3F%C3%BC");
    }
}

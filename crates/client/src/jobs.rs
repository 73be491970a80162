//! Jobs.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use muster_wire::api::{
    CancelRequest, Cancelled, DryRun, Explanation, IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, JobList, JobResults,
    JobView, Submitted,
};
use reqwest::Method;

use crate::client::{Ask, FOREVER, plain};
use crate::{Client, ClientError};

/// A job file on its way to a gate.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The file's bytes.
    pub body: Vec<u8>,
    /// Its content type: TOML, YAML or JSON.
    pub content_type: &'static str,
    /// Names the submission for repeats; one is made when absent.
    pub key: Option<String>,
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Only jobs with this status.
    pub status: Option<String>,
    /// Only jobs with this label, `key=value`.
    pub label: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
    /// From the page before.
    pub cursor: Option<String>,
}

/// Which log to read.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// The workflow's name.
    pub workflow: Option<String>,
    /// The shard.
    pub shard: Option<u32>,
    /// Go on until the job ends.
    pub follow: bool,
    /// Only so many last lines.
    pub tail: Option<u32>,
}

impl Client {
    /// Submits a job. Safe to repeat: the key makes one job of all tries. The flag says that it was known before.
    pub async fn submit(&self, submission: Submission) -> Result<(Submitted, bool), ClientError> {
        self.submit_with(submission, None).await
    }

    async fn submit_with(
        &self,
        submission: Submission,
        floor: Option<u64>,
    ) -> Result<(Submitted, bool), ClientError> {
        let key = submission.key.unwrap_or_else(fresh_key);
        let mut ask = Ask::new(Method::POST, "/v1/jobs")
            .query("fence_floor", floor.map(|floor| floor.to_string()))
            .header("content-type", submission.content_type)
            .header(IDEMPOTENCY_KEY, key);
        ask.body = Some(submission.body.into());
        let response = self.send(&ask).await?;
        let replayed = response.headers().contains_key(IDEMPOTENT_REPLAYED);
        let body = response.bytes().await.map_err(|error| ClientError::Broken(plain(&error)))?;
        let submitted = serde_json::from_slice(&body).map_err(|error| ClientError::Unexpected {
            target: self.gate().into(),
            why: error.to_string(),
        })?;
        Ok((submitted, replayed))
    }

    /// Submits a job that ran elsewhere before: its tokens begin above `floor`, which outside systems may have seen.
    pub async fn import(&self, submission: Submission, floor: u64) -> Result<(Submitted, bool), ClientError> {
        self.submit_with(submission, Some(floor)).await
    }

    /// Checks a job and says where it would run; nothing is written.
    pub async fn dry_run(&self, submission: Submission) -> Result<DryRun, ClientError> {
        let mut ask = Ask::new(Method::POST, "/v1/jobs").query("dry_run", Some("true".into()));
        ask = ask.header("content-type", submission.content_type);
        ask.body = Some(submission.body.into());
        self.json(ask).await
    }

    /// A job by id or unambiguous prefix.
    pub async fn job(&self, id: &str) -> Result<JobView, ClientError> {
        self.json(Ask::get(format!("/v1/jobs/{id}"))).await
    }

    /// A job once it is beyond `version`, or as it is after `wait`.
    pub async fn job_after(&self, id: &str, version: u64, wait: Duration) -> Result<JobView, ClientError> {
        let mut ask = Ask::get(format!("/v1/jobs/{id}"))
            .query("version", Some(version.to_string()))
            .query("wait", Some(format!("{}ms", wait.as_millis())));
        ask.patience = wait + Duration::from_secs(10);
        self.json(ask).await
    }

    /// One page of jobs, newest first.
    pub async fn jobs(&self, query: ListQuery) -> Result<JobList, ClientError> {
        let ask = Ask::get("/v1/jobs")
            .query("status", query.status)
            .query("label", query.label)
            .query("limit", query.limit.map(|limit| limit.to_string()))
            .query("cursor", query.cursor);
        self.json(ask).await
    }

    /// What a job waits for.
    pub async fn explain(&self, id: &str) -> Result<Explanation, ClientError> {
        self.json(Ask::get(format!("/v1/jobs/{id}/explain"))).await
    }

    /// What came out of a job so far.
    pub async fn results(&self, id: &str) -> Result<JobResults, ClientError> {
        self.json(Ask::get(format!("/v1/jobs/{id}/results"))).await
    }

    /// Asks for a cancel.
    pub async fn cancel(&self, id: &str, request: &CancelRequest) -> Result<Cancelled, ClientError> {
        self.json(Ask::new(Method::POST, format!("/v1/jobs/{id}/cancel")).json(request)).await
    }

    /// Drops a finished job before its retention ends.
    pub async fn delete(&self, id: &str) -> Result<(), ClientError> {
        self.send(&Ask::new(Method::DELETE, format!("/v1/jobs/{id}"))).await.map(drop)
    }

    /// A job's log as it comes, in chunks of text.
    pub async fn logs(
        &self,
        id: &str,
        query: LogQuery,
    ) -> Result<impl Stream<Item = Result<bytes::Bytes, ClientError>> + use<>, ClientError> {
        let mut ask = Ask::get(format!("/v1/jobs/{id}/logs"))
            .query("workflow", query.workflow)
            .query("shard", query.shard.map(|shard| shard.to_string()))
            .query("follow", query.follow.then(|| "true".into()))
            .query("tail", query.tail.map(|tail| tail.to_string()));
        ask.patience = FOREVER;
        let response = self.send(&ask).await?;
        Ok(response.bytes_stream().map(|chunk| chunk.map_err(|error| ClientError::Broken(plain(&error)))))
    }
}

/// A key of its own for one submission and all its retries.
fn fresh_key() -> String {
    format!("{:032x}", muster_runtime::random::bits128())
}

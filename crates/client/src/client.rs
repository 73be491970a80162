//! Requests with failover between gates.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use muster_runtime::{Backoff, Clock};
use muster_wire::api::{API_HEADER, API_VERSION, Problem};
use reqwest::{Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::ClientError;

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// `http://host:port` of one or more gates.
    pub gates: Vec<String>,
    /// Bearer token, where the gates ask for one.
    pub token: Option<String>,
    /// How long one call is retried before it fails.
    pub deadline: Duration,
}

/// A client of one or more gates. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    http: reqwest::Client,
    gates: Vec<String>,
    token: Option<String>,
    deadline: Duration,
    preferred: AtomicUsize,
    clock: Clock,
}

/// One request, so that it can be sent again.
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<bytes::Bytes>,
    /// Sending it twice does what sending it once does.
    pub(crate) repeatable: bool,
    /// How long the server may take to answer.
    pub(crate) patience: Duration,
}

const PATIENCE: Duration = Duration::from_secs(20);
/// For answers that stay open as long as there is something to say.
pub(crate) const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

impl Ask {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        let (query, headers) = (Vec::new(), Vec::new());
        Self { method, path: path.into(), query, headers, body: None, repeatable: true, patience: PATIENCE }
    }

    pub(crate) fn query(mut self, key: &'static str, value: Option<String>) -> Self {
        self.query.extend(value.map(|value| (key, value)));
        self
    }

    pub(crate) fn header(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((key, value.into()));
        self
    }

    pub(crate) fn json(mut self, body: &impl serde::Serialize) -> Self {
        self.body = serde_json::to_vec(body).ok().map(Into::into);
        self.header("content-type", "application/json")
    }
}

/// What one try came to.
enum Tried {
    Answer(Response),
    Again { why: Again, after: Option<Duration> },
    Failed(ClientError),
}

enum Again {
    Unreachable(String),
    Problem(Box<Problem>),
}

impl Client {
    /// A client; the URLs are checked, nothing is connected yet.
    pub fn new(options: ClientOptions) -> Result<Self, ClientError> {
        let gates: Vec<String> =
            options.gates.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        let bad = gates.iter().find(|url| reqwest::Url::parse(url).map_or(true, |url| url.host().is_none()));
        if let Some(url) = bad.cloned().or_else(|| gates.is_empty().then(String::new)) {
            return Err(ClientError::BadUrl(url));
        }
        let http = reqwest::Client::builder().connect_timeout(Duration::from_secs(2)).build();
        let http = http.map_err(|error| ClientError::BadUrl(error.to_string()))?;
        let preferred = AtomicUsize::new(0);
        let (token, deadline, clock) = (options.token, options.deadline, Clock::system());
        Ok(Self { shared: Arc::new(Shared { http, gates, token, deadline, preferred, clock }) })
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The address that is asked first now.
    pub fn gate(&self) -> &str {
        let at = self.shared.preferred.load(Ordering::Relaxed) % self.shared.gates.len();
        &self.shared.gates[at]
    }

    /// Asks another gate from now on.
    pub fn rotate(&self) {
        self.shared.preferred.fetch_add(1, Ordering::Relaxed);
    }

    /// Sends a request and reads the JSON answer.
    pub(crate) async fn json<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, ClientError> {
        let response = self.send(&ask).await?;
        let body = response.bytes().await.map_err(|error| ClientError::Broken(plain(&error)))?;
        serde_json::from_slice(&body)
            .map_err(|error| ClientError::Unexpected { target: self.gate().into(), why: error.to_string() })
    }

    /// Sends a request until it succeeds, fails for good, or the deadline passes.
    pub(crate) async fn send(&self, ask: &Ask) -> Result<Response, ClientError> {
        let started = self.shared.clock.now();
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        loop {
            let (why, after) = match self.try_once(ask).await {
                Tried::Answer(response) => return Ok(response),
                Tried::Failed(error) => return Err(error),
                Tried::Again { why, after } => (why, after),
            };
            self.rotate();
            let delay = after.unwrap_or_else(|| backoff.next_delay());
            if self.out_of_time(started, delay) {
                return Err(self.give_up(started, why));
            }
            tokio::time::sleep(delay).await;
        }
    }

    fn out_of_time(&self, started: Instant, delay: Duration) -> bool {
        started.elapsed() + delay > self.shared.deadline
    }

    fn give_up(&self, started: Instant, why: Again) -> ClientError {
        match why {
            Again::Unreachable(why) => ClientError::Unreachable { target: self.shared.gates.join(", "), why },
            Again::Problem(last) => {
                ClientError::TimedOut { waited_ms: started.elapsed().as_millis() as u64, last }
            }
        }
    }

    fn request(&self, ask: &Ask) -> RequestBuilder {
        let url = format!("{}{}", self.gate(), ask.path);
        let mut request =
            self.shared.http.request(ask.method.clone(), url).timeout(ask.patience).query(&ask.query);
        request = request.header(API_HEADER, API_VERSION);
        for (key, value) in &ask.headers {
            request = request.header(*key, value);
        }
        if let Some(token) = &self.shared.token {
            request = request.bearer_auth(token);
        }
        match &ask.body {
            Some(body) => request.body(body.clone()),
            None => request,
        }
    }

    async fn try_once(&self, ask: &Ask) -> Tried {
        match self.request(ask).send().await {
            Ok(response) if response.status().is_success() => Tried::Answer(response),
            Ok(response) => self.refused(response).await,
            Err(error) => failed(&error, ask.repeatable),
        }
    }

    async fn refused(&self, response: Response) -> Tried {
        let status = response.status();
        let after = retry_after(&response);
        let body = response.bytes().await.unwrap_or_default();
        let Ok(problem) = serde_json::from_slice::<Problem>(&body) else {
            let why = format!("status {status} without a problem document");
            return Tried::Failed(ClientError::Unexpected { target: self.gate().into(), why });
        };
        let problem = Box::new(problem);
        match problem.retryable && matches!(status.as_u16(), 429 | 503) {
            true => Tried::Again { why: Again::Problem(problem), after },
            false => Tried::Failed(ClientError::Problem(problem)),
        }
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get("retry-after")?.to_str().ok()?;
    text.parse().ok().map(Duration::from_secs)
}

fn failed(error: &reqwest::Error, repeatable: bool) -> Tried {
    match error.is_connect() || repeatable {
        true => Tried::Again { why: Again::Unreachable(plain(error)), after: None },
        false => Tried::Failed(ClientError::Broken(plain(error))),
    }
}

/// The innermost cause, which is what people need.
pub(crate) fn plain(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

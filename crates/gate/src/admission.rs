//! What a submission must pass before anything is written: rate, content type, spec, labels, datacenters.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use muster_node::http::{Answer, Problem};
use muster_spec::{Fault, Format};
use muster_wire::Token;
use muster_wire::api::{FieldFault, KEY_BYTES_MAX};
use muster_wire::job::Digest;
use muster_wire::spec::JobSpec;
use sha2::{Digest as _, Sha256};

use crate::config::Rate;
use crate::dc::{Choice, ChoiceError, Datacenters};
use crate::gate::Gate;

/// Clients whose rate is remembered.
const CLIENTS_MAX: usize = 10_000;
/// Bytes of all labels that the directory takes.
const LABEL_BYTES_MAX: usize = 2 * 1024;

/// Furthest floor of an imported job: the machine takes no token that is farther ahead.
const FENCE_FLOOR_MAX: u64 = (1 << 20) - 1;

/// A submission as received.
#[derive(Debug)]
pub struct Received<'a> {
    /// Its body.
    pub body: &'a [u8],
    /// The `Content-Type` header.
    pub content_type: Option<&'a str>,
    /// The `Idempotency-Key` header.
    pub key: Option<&'a str>,
    /// Of a job that is imported: its tokens begin above this.
    pub fence_floor: Option<u64>,
}

/// A submission that passed.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The validated job.
    pub spec: JobSpec,
    /// Of the body as received.
    pub digest: Digest,
    /// The client's idempotency key.
    pub key: Option<String>,
    /// Where it is to run.
    pub choice: Choice,
    /// Outside systems have seen tokens up to this: the job's are higher.
    pub fence_floor: Option<Token>,
}

/// Checks everything; nothing is written.
pub fn admit(gate: &Gate, received: &Received<'_>) -> Answer<Admitted> {
    let key = check_key(received.key)?;
    let spec = parse(received)?;
    check_labels(&spec)?;
    let choice = choose(&gate.datacenters, &spec)?;
    let digest = Digest(Sha256::digest(received.body).into());
    let fence_floor = check_floor(received.fence_floor)?;
    Ok(Admitted { spec, digest, key, choice, fence_floor })
}

fn check_key(key: Option<&str>) -> Answer<Option<String>> {
    match key {
        Some(key) if key.is_empty() || key.len() > KEY_BYTES_MAX => {
            Err(Problem::malformed(format!("an idempotency key has 1 to {KEY_BYTES_MAX} bytes")))
        }
        other => Ok(other.map(str::to_owned)),
    }
}

fn check_floor(floor: Option<u64>) -> Answer<Option<Token>> {
    match floor {
        Some(floor) if floor > FENCE_FLOOR_MAX => {
            Err(Problem::malformed(format!("fence_floor is at most {FENCE_FLOOR_MAX}")))
        }
        floor => Ok(floor.filter(|floor| *floor > 0).map(Token)),
    }
}

fn parse(received: &Received<'_>) -> Answer<JobSpec> {
    let kind = received.content_type.unwrap_or("application/json");
    let format = Format::of_content_type(kind).ok_or_else(|| unsupported(kind))?;
    let text = std::str::from_utf8(received.body).map_err(|_| Problem::malformed("the body is not UTF-8"))?;
    muster_spec::parse(text, format)
        .map_err(|faults| Problem::invalid(faults.into_iter().map(field).collect()))
}

fn unsupported(kind: &str) -> Problem {
    let detail = format!("`{kind}` is no job: send application/json, application/toml or application/yaml");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
}

fn field(fault: Fault) -> FieldFault {
    FieldFault { path: fault.path, message: fault.message, line: fault.line, column: fault.column }
}

fn fault(path: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem::invalid(vec![FieldFault {
        path: path.into(),
        message: message.into(),
        line: None,
        column: None,
    }])
}

fn check_labels(spec: &JobSpec) -> Answer<()> {
    let bytes: usize = spec.labels.iter().map(|(key, value)| key.len() + value.len()).sum();
    match bytes > LABEL_BYTES_MAX {
        true => Err(fault("labels", format!("{bytes} bytes; at most {LABEL_BYTES_MAX} in all"))),
        false => Ok(()),
    }
}

fn choose(datacenters: &Datacenters, spec: &JobSpec) -> Answer<Choice> {
    datacenters.choose(spec).map_err(|error| match error {
        ChoiceError::Unknown { position, name, known } => {
            fault(format!("datacenters[{position}]"), format!("`{name}` is not known here; known: {known}"))
        }
        ChoiceError::TooMany { known } => fault("datacenter_count", format!("only {known} to choose from")),
        ChoiceError::Unusable { placements } => Problem::unavailable(
            "no_datacenter",
            "not enough datacenters can take the job now; ask again, or see /v1/datacenters",
        )
        .with_errors(crate::dc::faults(&placements)),
    })
}

/// How often each client has submitted of late.
#[derive(Debug)]
pub struct RateBook {
    rate: Option<Rate>,
    clients: Mutex<HashMap<String, Window>>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began_ms: u64,
    count: u32,
}

impl RateBook {
    /// Counts per client; without a rate everybody passes.
    pub fn new(rate: Option<Rate>) -> Self {
        Self { rate, clients: Mutex::default() }
    }

    /// Counts one submission of a client at `now_ms`; `Err`: when to come again.
    pub fn pass(&self, client: &str, now_ms: u64) -> Result<(), Duration> {
        let Some(rate) = self.rate else { return Ok(()) };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let length_ms = rate.per.as_millis() as u64;
        if clients.len() >= CLIENTS_MAX {
            clients.retain(|_, window| window.began_ms + length_ms > now_ms);
        }
        let window = clients.entry(client.to_owned()).or_insert(Window { began_ms: now_ms, count: 0 });
        window.count_one(now_ms, length_ms);
        match window.count > rate.count {
            true => Err(Duration::from_millis((window.began_ms + length_ms).saturating_sub(now_ms))),
            false => Ok(()),
        }
    }
}

impl Window {
    fn count_one(&mut self, now_ms: u64, length_ms: u64) {
        if now_ms >= self.began_ms + length_ms {
            *self = Self { began_ms: now_ms, count: 0 };
        }
        self.count = self.count.saturating_add(1);
    }
}

/// Answers 429 to a client that submits too often.
pub fn check_rate(gate: &Gate, client: &str) -> Answer<()> {
    gate.rates.pass(client, gate.clock.unix_ms()).map_err(|after| {
        metrics::counter!("muster_queue_rejected_total", "queue" => "submissions").increment(1);
        Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            "too many submissions of this client; ask again later",
        )
        .retry_after(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_submits_too_often_is_told_when_to_come_again() {
        let book = RateBook::new(Some(Rate { count: 2, per: Duration::from_secs(10) }));
        assert_eq!([book.pass("a", 0), book.pass("a", 1), book.pass("b", 1)], [Ok(()); 3]);
        assert_eq!(book.pass("a", 4_000), Err(Duration::from_secs(6)));
        assert_eq!(book.pass("a", 10_000), Ok(()));
    }

    #[test]
    fn the_book_forgets_clients_whose_window_is_over() {
        let book = RateBook::new(Some(Rate { count: 1, per: Duration::from_secs(1) }));
        (0..CLIENTS_MAX).for_each(|n| _ = book.pass(&n.to_string(), 0));
        assert_eq!(book.pass("late", 5_000), Ok(()));
        assert_eq!(book.clients.lock().unwrap().len(), 1);
    }
}

//! Delivers events to webhooks: one signed `POST` an event.
//!
//! ```text
//!   reconcile/callback ── what is owed ──▶ Webhooks ── signed, bounded, with a deadline ──▶ http(s)
//!                                            seal: secrets under the gates' key     tries: back-off
//! ```

mod seal;
mod tries;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use muster_wire::api::{CallbackDelivery, SIGNATURE};
use ring::hmac;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;

pub(crate) use seal::Seal;
pub(crate) use tries::TryBook;

/// Deliveries under way at the same time on one gate.
const AT_ONCE: usize = 64;
/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// An idle connection is closed after this.
const IDLE_CLOSE: Duration = Duration::from_secs(20);

/// Sends deliveries.
pub struct Webhooks {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    places: Semaphore,
    pub(crate) seal: Seal,
    pub(crate) tries: TryBook,
}

/// Why a delivery failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Undelivered {
    /// The receiver says that it is gone for good (410).
    Gone,
    /// Worth another try.
    Again(String),
}

impl Webhooks {
    /// With the gates' key for secrets.
    pub(crate) fn new(key: Option<&str>) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_idle_timeout(IDLE_CLOSE).pool_timer(TokioTimer::new());
        let (client, places) = (builder.build(connector()), Semaphore::new(AT_ONCE));
        Self { client, places, seal: Seal::new(key), tries: TryBook::default() }
    }

    /// Posts one event, signed with a secret unless that is empty. Redirects are not followed.
    pub(crate) async fn post(
        &self,
        url: &str,
        (delivery, secret): (&CallbackDelivery, &[u8]),
    ) -> Result<(), Undelivered> {
        let request = request(url, delivery, secret).map_err(Undelivered::Again)?;
        let exchange = async {
            let _place = self.places.acquire().await;
            self.client.request(request).await
        };
        let late = |_| Undelivered::Again(format!("no answer within {} s", TIMEOUT.as_secs()));
        let answer = tokio::time::timeout(TIMEOUT, exchange).await.map_err(late)?;
        judge(answer.map_err(|error| Undelivered::Again(innermost(&error)))?.status())
    }
}

/// TLS with the system's roots; without any, https receivers are refused and http ones work.
fn connector() -> HttpsConnector<HttpConnector> {
    let provider = || rustls::crypto::ring::default_provider();
    let builder = HttpsConnectorBuilder::new();
    match builder.with_provider_and_native_roots(provider()) {
        Ok(builder) => builder.https_or_http().enable_http1().build(),
        Err(error) => {
            tracing::warn!(%error, "no root certificates: webhooks at https addresses will fail");
            rootless()
        }
    }
}

fn rootless() -> HttpsConnector<HttpConnector> {
    let config = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build()
}

fn request(url: &str, delivery: &CallbackDelivery, secret: &[u8]) -> Result<Request<Full<Bytes>>, String> {
    let body = serde_json::to_vec(delivery).map_err(|error| error.to_string())?;
    let mut request = Request::post(url)
        .header(header::CONTENT_TYPE, "application/json")
        .header("muster-job", delivery.job.to_string())
        .header("muster-event", delivery.event.kind.word())
        .header("muster-sequence", delivery.sequence);
    if !secret.is_empty() {
        request = request.header(SIGNATURE, signature(secret, &body));
    }
    request.body(Full::new(body.into())).map_err(|error| error.to_string())
}

/// `sha256=` and the HMAC-SHA256 of the body, as hex.
pub(crate) fn signature(secret: &[u8], body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, body);
    tag.as_ref().iter().fold("sha256=".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

fn judge(status: StatusCode) -> Result<(), Undelivered> {
    match status {
        StatusCode::GONE => Err(Undelivered::Gone),
        status if status.is_success() => Ok(()),
        status => Err(Undelivered::Again(format!("it answered {status}"))),
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_hmac_of_the_body_in_hex() {
        // RFC 4231, test case 2.
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature(b"Jefe", b"what do ya want for nothing?"), expected);
    }

    #[test]
    fn success_is_two_hundred_and_gone_is_gone() {
        assert_eq!(judge(StatusCode::NO_CONTENT), Ok(()));
        assert_eq!(judge(StatusCode::GONE), Err(Undelivered::Gone));
        assert!(matches!(judge(StatusCode::FOUND), Err(Undelivered::Again(_))));
    }
}

//! Webhooks over TLS: a receiver whose certificate the gates trust gets every event, another one gets nothing.

use std::sync::Arc;

use muster_runtime::{TaskKind, TaskScope};
use muster_tests::wait::PATIENCE;
use muster_tests::{Cluster, Topology, eventually};
use muster_wire::api::{CallbackDelivery, CallbackRequest, CallbackState, CallbackView, EventKind};
use rcgen::{CertifiedKey, KeyPair};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::support::turn;

const RECEIVER: TaskKind = TaskKind::new("tls_receiver");
const JOB: &str = "name = 'secure'\n[[workflows]]\nname = 'a'\ncommand = ['sleep', '1']\n";

fn certificate() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

fn acceptor(own: &CertifiedKey<KeyPair>) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    TlsAcceptor::from(Arc::new(config.with_single_cert(vec![own.cert.der().clone()], key).unwrap()))
}

/// Serves deliveries at `https://localhost:PORT/hook`, and says what came.
async fn receiver(
    scope: &TaskScope,
    own: &CertifiedKey<KeyPair>,
) -> (String, mpsc::Receiver<CallbackDelivery>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/hook", listener.local_addr().unwrap().port());
    let (told, deliveries) = mpsc::channel(1_000);
    let acceptor = acceptor(own);
    let inner = scope.clone();
    scope.spawn_until_stop(RECEIVER, async move {
        while let Ok((stream, _)) = listener.accept().await {
            inner.spawn_until_stop(RECEIVER, attend(acceptor.clone(), stream, told.clone()));
        }
    });
    (url, deliveries)
}

/// One connection, request after request.
async fn attend(acceptor: TlsAcceptor, stream: TcpStream, told: mpsc::Sender<CallbackDelivery>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let mut stream = BufStream::new(stream);
    while let Some(body) = request(&mut stream).await {
        told.send(serde_json::from_slice(&body).unwrap()).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
    }
}

async fn request<S>(stream: &mut BufStream<S>) -> Option<Vec<u8>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let (mut length, mut line) = (0, String::new());
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let header = line.to_ascii_lowercase();
        length = header.strip_prefix("content-length:").map_or(length, |text| text.trim().parse().unwrap());
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(body)
}

/// One gate that trusts this certificate.
async fn start(trusted: &CertifiedKey<KeyPair>) -> Cluster {
    let mut cluster = Cluster::prepare(Topology::SMALL).unwrap();
    let roots = cluster.data_dir("roots.pem");
    std::fs::write(&roots, trusted.cert.pem()).unwrap();
    cluster.spawn_with("g1", &[("SSL_CERT_FILE", &roots.display().to_string())]).unwrap();
    cluster.start_all().await.unwrap();
    cluster.ready("g1").await.unwrap();
    cluster
}

/// The sequences of all deliveries up to the job's end.
async fn until_end(got: &mut mpsc::Receiver<CallbackDelivery>) -> Vec<u64> {
    let mut sequences = Vec::new();
    let mut is_over = false;
    while !is_over {
        let delivery = got.recv().await.unwrap();
        sequences.push(delivery.sequence);
        is_over = delivery.event.kind == EventKind::End;
    }
    sequences
}

fn names_a_certificate(hook: &CallbackView) -> bool {
    hook.error.as_ref().is_some_and(|error| error.contains("ertificate") || error.contains("Issuer"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_receiver_gets_every_event_over_tls_and_an_untrusted_one_gets_nothing() {
    let _turn = turn().await;
    let (trusted, other) = (certificate(), certificate());
    let cluster = start(&trusted).await;
    let scope = TaskScope::new();
    let (good, mut got) = receiver(&scope, &trusted).await;
    let (bad, mut never) = receiver(&scope, &other).await;

    let client = cluster.client().unwrap();
    let job = cluster.submit(JOB).await.unwrap();
    for url in [&good, &bad] {
        let hook = CallbackRequest { url: url.clone(), secret: "s".into(), ..CallbackRequest::default() };
        client.callback_add(&job, &hook).await.unwrap();
    }
    let sequences = tokio::time::timeout(PATIENCE, until_end(&mut got)).await.unwrap();
    assert!(sequences.iter().copied().eq(1..=sequences.len() as u64), "{sequences:?}");

    eventually("the other receiver's certificate to be named", || async {
        let hooks = client.callbacks(&job).await.map_err(|error| error.to_string())?;
        let of = |url: &str| hooks.iter().find(|hook| hook.url == url);
        let is_named = of(&bad).is_some_and(names_a_certificate);
        let is_done = of(&good).is_some_and(|hook| hook.state == CallbackState::Done);
        if is_named & is_done { Ok(()) } else { Err(format!("{hooks:?}")) }
    })
    .await
    .unwrap();
    assert!(never.try_recv().is_err());
}

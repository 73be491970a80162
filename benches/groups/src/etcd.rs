//! The yardstick: three etcd nodes on the same disk in the same run, puts of 256 bytes over gRPC.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tonic::client::Grpc;
use tonic::codec::ProstCodec;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};

use crate::writes::{CLIENTS, KEYS, LASTING};
use muster_groups::cluster::{used, value};
use muster_groups::figures::row;
use muster_groups::load;

const READY_WITHIN: Duration = Duration::from_secs(30);
const CONNECTIONS: usize = 10;
/// After the first put, until etcd is idle.
const SETTLED: Duration = Duration::from_secs(5);

#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PutReply {}

/// Three etcd processes.
struct Etcd {
    clients: Vec<String>,
    processes: Vec<Child>,
    _dir: TempDir,
}

impl Etcd {
    async fn start() -> anyhow::Result<Self> {
        let dir = TempDir::new()?;
        let ports: Vec<u16> = (0..6).map(|_| port()).collect::<Result<_, _>>()?;
        let peer = |at: usize| format!("http://127.0.0.1:{}", ports[at + 3]);
        let all: Vec<String> = (0..3).map(|at| format!("e{at}={}", peer(at))).collect();
        let clients: Vec<String> = (0..3).map(|at| format!("http://127.0.0.1:{}", ports[at])).collect();
        let mut processes = Vec::new();
        for at in 0..3 {
            let data = dir.path().join(format!("e{at}"));
            let mut command = Command::new("etcd");
            command.args(["--name", &format!("e{at}"), "--initial-cluster", &all.join(",")]);
            command.args(["--initial-advertise-peer-urls", &peer(at), "--listen-peer-urls", &peer(at)]);
            command.args(["--advertise-client-urls", &clients[at], "--listen-client-urls", &clients[at]]);
            command.args(["--quota-backend-bytes", "4294967296", "--log-level", "error"]);
            command
                .arg("--data-dir")
                .arg(data)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true);
            processes.push(command.spawn().context("etcd is not installed")?);
        }
        Ok(Self { clients, processes, _dir: dir })
    }

    async fn channels(&self, count: usize) -> anyhow::Result<Vec<Channel>> {
        let mut channels = Vec::new();
        for at in 0..count {
            let endpoint = Endpoint::from_shared(self.clients[at % 3].clone())?;
            channels.push(endpoint.connect().await?);
        }
        Ok(channels)
    }

    async fn ready(&self) -> anyhow::Result<()> {
        let waiting = async {
            while !self.takes_puts().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(READY_WITHIN, waiting).await.context("etcd is not ready in time")
    }

    /// CPU time used so far, in seconds.
    fn cpu(&self) -> anyhow::Result<f64> {
        let processes = self.processes.iter().filter_map(Child::id);
        processes.map(|process| Ok(used(process)?.0)).sum()
    }

    async fn takes_puts(&self) -> bool {
        match self.channels(1).await {
            Ok(channels) => put(channels[0].clone(), Bytes::from_static(b"ready")).await.is_ok(),
            Err(_) => false,
        }
    }
}

fn port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

async fn put(channel: Channel, key: Bytes) -> anyhow::Result<()> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    let codec = ProstCodec::<PutRequest, PutReply>::default();
    let path = PathAndQuery::from_static("/etcdserverpb.KV/Put");
    grpc.unary(tonic::Request::new(PutRequest { key, value: value() }), path, codec).await?;
    Ok(())
}

/// Three nodes with one group that nobody uses.
pub async fn idle(measured: Duration) -> anyhow::Result<()> {
    let etcd = Etcd::start().await?;
    etcd.ready().await?;
    tokio::time::sleep(SETTLED).await;
    let before = etcd.cpu()?;
    tokio::time::sleep(measured).await;
    let percent = (etcd.cpu()? - before) / measured.as_secs_f64() * 100.0;
    row("CPU of three idle etcd nodes, one group", &format!("{percent:.1} % of a core"));
    Ok(())
}

/// The same client counts as for one group of ours, and 256.
pub async fn run() -> anyhow::Result<()> {
    let etcd = Etcd::start().await?;
    etcd.ready().await?;
    for clients in CLIENTS.into_iter().chain([256]) {
        let channels = etcd.channels(clients.min(CONNECTIONS)).await?;
        let channels = &channels;
        let done = load::for_time(clients, LASTING, |client, number| {
            let key = format!("{client}-{}", number % KEYS);
            put(channels[client % channels.len()].clone(), Bytes::from(key))
        });
        row(&format!("etcd 3.4, {clients} clients over three nodes"), &done.await.text());
    }
    Ok(())
}

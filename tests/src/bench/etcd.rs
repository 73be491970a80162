//! A yardstick of the same kind: three etcd members on the same machine, asked over HTTP by as many clients.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use muster_runtime::Clock;
use serde_json::{Value, json};

use super::figures::Samples;
use crate::wait::eventually;

const MEMBERS: u16 = 3;
const PORT: u16 = 23_790;
/// 128 bytes, about what a submission's body has, in base64.
const VALUE: &str = "bW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1t";

/// Running members; killed when dropped.
pub(super) struct Etcd {
    members: Vec<Child>,
    http: reqwest::Client,
    _dir: tempfile::TempDir,
}

fn client_url(member: u16) -> String {
    format!("http://127.0.0.1:{}", PORT + member * 2)
}

fn peer_url(member: u16) -> String {
    format!("http://127.0.0.1:{}", PORT + member * 2 + 1)
}

impl Etcd {
    /// `None`: there is no etcd on this machine.
    pub(super) async fn start() -> anyhow::Result<Option<Self>> {
        if Command::new("etcd").arg("--version").stdout(Stdio::null()).status().is_err() {
            return Ok(None);
        }
        let dir = tempfile::Builder::new().prefix("muster-etcd-").tempdir()?;
        let started: anyhow::Result<Vec<Child>> =
            (0..MEMBERS).map(|member| spawn(member, dir.path())).collect();
        let etcd = Self { members: started?, http: reqwest::Client::new(), _dir: dir };
        eventually("etcd to take writes", || async {
            etcd.put(0, 0).await.map_err(|error| error.to_string())
        })
        .await?;
        Ok(Some(etcd))
    }

    async fn put(&self, member: u16, number: u32) -> anyhow::Result<()> {
        let digits = format!("{number:012}");
        let body = json!({ "key": digits, "value": VALUE });
        let url = format!("{}/v3/kv/put", client_url(member));
        let answer = self.http.post(url).json(&body).send().await?.error_for_status()?;
        let _read: Value = answer.json().await?;
        Ok(())
    }

    /// So many puts by so many clients, spread over the members.
    pub(super) async fn puts(&self, clients: usize, count: u32) -> anyhow::Result<()> {
        let clock = Clock::system();
        let started = clock.now();
        let times: Vec<Duration> = stream::iter(0..count)
            .map(|number| async move {
                let began = Clock::system().now();
                self.put((number % u32::from(MEMBERS)) as u16, number).await.map(|()| began.elapsed())
            })
            .buffer_unordered(clients)
            .try_collect()
            .await?;
        let rate = f64::from(count) / started.elapsed().as_secs_f64();
        let mut samples = Samples::default();
        samples.extend(times);
        println!("| etcd put over HTTP, 3 members, {clients} clients | {}; {rate:.0}/s |", samples.line());
        Ok(())
    }
}

fn spawn(member: u16, dir: &std::path::Path) -> anyhow::Result<Child> {
    let name = |member: u16| format!("e{member}");
    let all: Vec<String> =
        (0..MEMBERS).map(|member| format!("{}={}", name(member), peer_url(member))).collect();
    Command::new("etcd")
        .args(["--name", &name(member), "--data-dir", &dir.join(name(member)).display().to_string()])
        .args(["--listen-client-urls", &client_url(member), "--advertise-client-urls", &client_url(member)])
        .args(["--listen-peer-urls", &peer_url(member), "--initial-advertise-peer-urls", &peer_url(member)])
        .args(["--initial-cluster", &all.join(","), "--initial-cluster-state", "new", "--logger", "zap"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("start etcd")
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _gone = member.kill();
            let _reaped = member.wait();
        }
    }
}

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use muster_machine::{Machine, Retired, Table};
use muster_runtime::{Clock, TaskScope};
use muster_wire::api::{GroupView, Health, MemberView, NodeView, Page};
use muster_wire::{CodecError, Role, Token};
use tokio::net::TcpListener;

use super::{Base, BootParts, Listeners, Node};
use crate::config::{Config, Sources};
use crate::testkit::{SOON, ask, get, until};

#[derive(Clone, Default)]
struct Nothing;

static TABLE: Table<Nothing> = Table { rows: &[] };

impl Machine for Nothing {
    const TIER: &'static str = "test";

    fn table() -> &'static Table<Self> {
        &TABLE
    }
    fn token(&self) -> Token {
        Token(0)
    }
    fn next_due_ms(&self) -> Option<u64> {
        None
    }
    fn retired(&self) -> Option<Retired> {
        None
    }
    fn encode(&self) -> Result<Vec<u8>, CodecError> {
        Ok(Vec::new())
    }
    fn restore(_bytes: &[u8]) -> Result<Self, CodecError> {
        Ok(Self)
    }
}

/// A place for one node: its listeners, and a UDP port that was free.
struct Place {
    name: String,
    http: TcpListener,
    rpc: TcpListener,
    swim: SocketAddr,
    dir: tempfile::TempDir,
}

impl Place {
    async fn new(name: &str) -> Self {
        let swim = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let listener = || TcpListener::bind("127.0.0.1:0");
        let (http, rpc) = (listener().await.unwrap(), listener().await.unwrap());
        Self { name: name.into(), http, rpc, swim, dir: tempfile::tempdir().unwrap() }
    }

    fn member(&self) -> String {
        let rpc = self.rpc.local_addr().unwrap();
        format!("{{ name = \"{}\", rpc = \"{rpc}\", swim = \"{}\" }}", self.name, self.swim)
    }

    fn http(&self) -> SocketAddr {
        self.http.local_addr().unwrap()
    }

    fn parts(self, role: Role, cluster: &str) -> (BootParts, tempfile::TempDir) {
        let dir = self.dir.path().display();
        let text = format!(
            "[node]\nname = \"{}\"\ndata_dir = \"{dir}\"\n[listen]\nswim = \"{}\"\n[raft]\nprofile = \"test\"\n[cluster]\n{cluster}\n",
            self.name, self.swim
        );
        let config = Config::load(role, &Sources { text: Some(text), ..Sources::default() }).unwrap();
        let listeners = Listeners { http: Some(self.http), rpc: Some(self.rpc) };
        let parts = BootParts { config, scope: TaskScope::new(), clock: Clock::system(), listeners };
        (parts, self.dir)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_node_founds_itself_serves_its_routes_and_stops_without_a_task_left() {
    let place = Place::new("m1").await;
    let addr = place.http();
    let members = format!("initial_members = [{}]", place.member());
    let (parts, _dir) = place.parts(Role::Manager, &members);
    let node = Node::<Nothing>::start(parts).await.unwrap();
    node.serve_http(Router::new().route("/v1/jobs", on_get(|| async { "jobs" })));
    until(|| async { get(addr, "/readyz").await.status == 200 }).await;
    assert_eq!(get(addr, "/v1/jobs").await.body, "jobs");
    assert_eq!(get(addr, "/livez").await.status, 200);
    assert!(get(addr, "/metrics").await.body.contains("muster_http_requests_total"));
    let shown: NodeView = serde_json::from_str(&get(addr, "/v1/node").await.body).unwrap();
    assert_eq!((shown.name.as_str(), shown.role.as_str(), shown.draining.as_str()), ("m1", "manager", "no"));
    let health: Health = serde_json::from_str(&get(addr, "/health").await.body).unwrap();
    assert_eq!(health.raft.map(|raft| (raft.is_leader, raft.leader)), Some((true, Some("m1".into()))));
    let members: Page<MemberView> = serde_json::from_str(&get(addr, "/v1/members").await.body).unwrap();
    assert_eq!(members.items.iter().map(|member| member.state.as_str()).collect::<Vec<_>>(), ["alive"]);
    let groups: Page<GroupView> = serde_json::from_str(&get(addr, "/v1/groups").await.body).unwrap();
    assert_eq!((groups.items.len(), groups.items[0].job), (1, None));
    assert_eq!(get(addr, "/v1/groups/0189").await.problem().code, "unknown_job");
    node.shutdown(SOON).await.unwrap();
    until(|| async { node.scope.running().is_empty() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_failure_detectors_profile_changes_while_it_runs_and_an_unknown_one_changes_nothing() {
    let place = Place::new("m1").await;
    let addr = place.http();
    let members = format!("initial_members = [{}]", place.member());
    let (parts, _dir) = place.parts(Role::Manager, &members);
    let node = Node::<Nothing>::start(parts).await.unwrap();
    node.serve_http(Router::new());
    let put = |profile: &str| format!("{{\"profile\": \"{profile}\"}}");
    let (header, path) = ("content-type: application/json\r\n", "/v1/node/swim-profile");
    let changed = ask(addr, &format!("PUT {path}"), header, &put("wan")).await;
    assert_eq!((changed.status, changed.body.as_str()), (200, "{\"profile\":\"wan\"}"));
    assert_eq!(node.swim.tuning(), muster_swim::Profile::Wan.tuning());
    let refused = ask(addr, &format!("PUT {path}"), header, &put("warp")).await;
    assert_eq!((refused.status, refused.problem().code.as_str()), (400, "malformed"));
    assert_eq!(node.swim.tuning(), muster_swim::Profile::Wan.tuning());
    node.shutdown(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_the_others_is_not_ready_and_says_for_whom_it_waits() {
    let (place, other) = (Place::new("m1").await, Place::new("m2").await);
    let third = Place::new("m3").await;
    let addr = place.http();
    let members = format!("initial_members = [{}, {}, {}]", place.member(), other.member(), third.member());
    drop((other, third));
    let (parts, _dir) = place.parts(Role::Manager, &members);
    let scope = parts.scope.clone();
    let starting = Node::<Nothing>::start(parts);
    let watching = async {
        until(|| async { get(addr, "/readyz?verbose").await.body.contains("waits for m2, m3") }).await;
        assert_eq!(get(addr, "/readyz").await.status, 503);
        assert_eq!(get(addr, "/livez").await.status, 200);
        for path in ["/v1/groups", "/v1/jobs", "/v1/jobs/1/events"] {
            assert_eq!(get(addr, path).await.problem().code, "starting", "{path}");
        }
        scope.shutdown(Duration::from_secs(20)).await.unwrap();
    };
    let (started, ()) = tokio::join!(starting, watching);
    assert!(started.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_has_the_basic_routes_only() {
    let place = Place::new("w1").await;
    let addr = place.http();
    let (parts, _dir) = place.parts(Role::Worker, "join = [\"127.0.0.1:9\"]");
    let base = Base::start(parts).await.unwrap();
    base.set_plain_routes(Router::new());
    assert_eq!(get(addr, "/readyz").await.status, 200);
    base.additions.add_check("manager", || Err("no manager was heard yet".into()));
    let reply = get(addr, "/readyz?verbose").await;
    assert_eq!((reply.status, reply.body.contains("[-] manager no manager was heard yet")), (503, true));
    assert_eq!(get(addr, "/v1/groups").await.status, 404);
    base.shutdown(SOON).await.unwrap();
    until(|| async { base.scope.running().is_empty() }).await;
}

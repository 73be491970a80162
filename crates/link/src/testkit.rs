//! Nodes on loopback, for this crate's tests.

use std::sync::Arc;
use std::time::Duration;

use muster_runtime::{Clock, TaskScope};
use muster_wire::hello::{Hello, PROTOCOL};
use muster_wire::rpc::{Call, RpcError};
use muster_wire::{Generation, MemberNumber, NodeId, Role};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::{Notify, broadcast};

use crate::{LinkConfig, LinkEvent, LinkParts, Links, Service, router};

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Answers what it was asked.
#[derive(Serialize, Deserialize)]
pub(crate) struct Echo {
    pub(crate) text: String,
}

impl Call for Echo {
    const METHOD: u32 = 9001;
    const NAME: &'static str = "Echo";
    type Reply = String;
}

/// Answers once the gate of the server is opened.
#[derive(Serialize, Deserialize)]
pub(crate) struct Wait {
    pub(crate) number: u32,
}

impl Call for Wait {
    const METHOD: u32 = 9002;
    const NAME: &'static str = "Wait";
    type Reply = u32;
}

/// A control call; answered after others had a turn.
#[derive(Serialize, Deserialize)]
pub(crate) struct Control {
    pub(crate) number: u32,
}

impl Call for Control {
    const METHOD: u32 = 49;
    const NAME: &'static str = "Control";
    type Reply = u32;
}

pub(crate) struct TestNode {
    pub(crate) links: Links,
    pub(crate) scope: TaskScope,
    pub(crate) addr: String,
    pub(crate) gate: Arc<Notify>,
}

pub(crate) fn hello(number: u32, addr: &str) -> Hello {
    Hello {
        protocol: PROTOCOL,
        cluster_name: "test".into(),
        cluster: None,
        node: NodeId(u128::from(number)),
        member: MemberNumber(number),
        generation: Generation(1),
        role: Role::Manager,
        datacenter: "dc".into(),
        name: format!("m{number}"),
        rpc: addr.into(),
        feature: 1,
    }
}

pub(crate) fn quick() -> LinkConfig {
    LinkConfig { ping_every: Duration::from_millis(50), ..LinkConfig::default() }
}

impl TestNode {
    pub(crate) async fn start(number: u32) -> Self {
        Self::start_with(number, quick(), |_| {}).await
    }

    pub(crate) async fn start_with(number: u32, config: LinkConfig, change: impl FnOnce(&mut Hello)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::start_on(listener, number, config, change)
    }

    pub(crate) fn start_on(
        listener: TcpListener,
        number: u32,
        config: LinkConfig,
        change: impl FnOnce(&mut Hello),
    ) -> Self {
        let addr = listener.local_addr().unwrap().to_string();
        let mut ours = hello(number, &addr);
        change(&mut ours);
        let scope = TaskScope::new();
        let parts = LinkParts { listener, hello: ours, scope: scope.clone(), clock: Clock::system() };
        let links = Links::start(config, parts);
        let gate = Arc::new(Notify::new());
        links.serve(service(gate.clone()));
        Self { links, scope, addr, gate }
    }

    /// Ends as a killed process does: every socket is closed.
    pub(crate) async fn kill(self) -> String {
        self.scope.shutdown(SOON).await.unwrap();
        self.addr
    }

    pub(crate) async fn echo(&self, to: &TestNode) -> Result<String, crate::CallError> {
        self.links.call(&to.addr, &Echo { text: "hi".into() }, SOON).await
    }
}

fn service(gate: Arc<Notify>) -> Arc<dyn Service> {
    router()
        .on::<Echo, _, _>(|_, call| async move {
            assert_ne!(call.text, "panic");
            Ok(call.text)
        })
        .on::<Wait, _, _>(move |_, call| {
            let gate = gate.clone();
            async move {
                gate.notified().await;
                Ok::<_, RpcError>(call.number)
            }
        })
        .build()
}

/// Waits for the first event that `wanted` accepts.
pub(crate) async fn wait_for<T>(
    events: &mut broadcast::Receiver<LinkEvent>,
    wanted: impl Fn(LinkEvent) -> Option<T>,
) -> T {
    tokio::time::timeout(SOON, async {
        loop {
            if let Some(found) = wanted(events.recv().await.unwrap()) {
                return found;
            }
        }
    })
    .await
    .unwrap()
}

/// Waits until a condition holds.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    tokio::time::timeout(SOON, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .unwrap();
}

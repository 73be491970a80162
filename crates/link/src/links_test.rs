use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::join_all;
use muster_wire::frame::{Frame, HEADER_BYTES, Kind, PAYLOAD_BYTES_MAX};
use muster_wire::hello::{Hello, HelloRefusal, Welcome};
use muster_wire::rpc::RpcError;
use muster_wire::{ClusterId, Generation, MemberNumber, NodeId, NodeRef};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc};

use crate::testkit::{Control, Echo, SOON, TestNode, Wait, hello, quick, until, wait_for};
use crate::{CallError, DownCause, Gatekeeper, LinkConfig, LinkEvent, router};

#[tokio::test]
async fn concurrent_calls_share_one_link_and_are_answered_out_of_order() {
    let (a, b) = (TestNode::start(1).await, TestNode::start(2).await);
    let wait = Wait { number: 7 };
    let slow = a.links.call(&b.addr, &wait, SOON);
    let quick = async {
        let texts: Vec<Echo> = (0..100).map(|n| Echo { text: format!("{n}") }).collect();
        let replies = join_all(texts.iter().map(|echo| a.links.call(&b.addr, echo, SOON))).await;
        for (n, reply) in replies.into_iter().enumerate() {
            assert_eq!(reply.unwrap(), n.to_string());
        }
        b.gate.notify_one();
    };
    let (slow, ()) = tokio::join!(slow, quick);
    assert_eq!(slow.unwrap(), 7);
    let inbound = b.scope.running().into_iter().find(|(kind, _)| *kind == "link_inbound");
    assert_eq!(inbound, Some(("link_inbound", 1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_calls_begin_in_the_order_in_which_they_came() {
    let (a, b) = (TestNode::start(1).await, TestNode::start(2).await);
    let (begun, mut order) = mpsc::channel(200);
    let service = router().on::<Control, _, _>(move |_, call| {
        let begun = begun.clone();
        async move {
            begun.try_send(call.number).unwrap();
            tokio::task::yield_now().await;
            Ok(call.number)
        }
    });
    b.links.serve(service.build());
    a.links.call(&b.addr, &Control { number: 0 }, SOON).await.unwrap();
    let calls: Vec<Control> = (1..200).map(|number| Control { number }).collect();
    join_all(calls.iter().map(|call| a.links.call(&b.addr, call, SOON))).await;
    let seen: Vec<u32> = std::iter::from_fn(|| order.try_recv().ok()).collect();
    assert_eq!(seen, (0..200).collect::<Vec<u32>>());
}

#[tokio::test]
async fn what_is_called_aside_goes_over_a_link_of_its_own() {
    let (a, b) = (TestNode::start(1).await, TestNode::start(2).await);
    let to = at(&b);
    let echo = || Echo { text: "hello".into() };
    let (one, other) =
        (a.links.call_node(&to, &echo(), SOON).await, a.links.call_node_aside(&to, &echo(), SOON).await);
    assert_eq!((one.unwrap(), other.unwrap()), ("hello".to_owned(), "hello".to_owned()));
    let inbound = b.scope.running().into_iter().find(|(kind, _)| *kind == "link_inbound");
    assert_eq!(inbound, Some(("link_inbound", 2)));
}

/// Of a machine that is gone only the pings of the first link tell.
#[tokio::test]
async fn a_call_aside_does_not_outlive_the_kept_link_to_its_peer() {
    let (a, b) = (TestNode::start(1).await, TestNode::start(2).await);
    let _events = kept(&a, &b).await;
    let (to, wait) = (at(&b), Wait { number: 1 });
    let call = a.links.call_node_aside(&to, &wait, SOON);
    tokio::pin!(call);
    tokio::select! {
        outcome = &mut call => panic!("answered early: {outcome:?}"),
        () = until(|| b.scope.running().iter().any(|(kind, _)| *kind == "link_serve")) => {}
    }
    a.links.inner.peers().get(&b.addr).unwrap().close();
    assert_eq!(call.await, Err(CallError::Reset));
}

/// The events of the first node, whose kept link to the second is up.
async fn kept(one: &TestNode, other: &TestNode) -> broadcast::Receiver<LinkEvent> {
    let mut events = one.links.events();
    one.links.keep(&other.addr);
    wait_for(&mut events, |event| matches!(event, LinkEvent::Up { .. }).then_some(())).await;
    events
}

fn at(node: &TestNode) -> NodeRef {
    NodeRef {
        id: NodeId(2),
        generation: Generation(1),
        member: MemberNumber(2),
        name: "m2".into(),
        addr: node.addr.clone(),
    }
}

#[tokio::test]
async fn a_dial_that_nobody_takes_is_refused() {
    let a = TestNode::start(1).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let outcome = a.links.call(&nobody, &Echo { text: String::new() }, SOON).await;
    assert_eq!(outcome, Err(CallError::Refused));
}

#[tokio::test]
async fn a_killed_server_fails_the_call_and_gives_evidence() {
    let (a, b) = (TestNode::start(1).await, TestNode::start(2).await);
    let mut events = kept(&a, &b).await;
    let links = a.links.clone();
    let wait = Wait { number: 1 };
    let call = links.call(&b.addr, &wait, SOON);
    tokio::pin!(call);
    let serving = b.scope.clone();
    tokio::select! {
        outcome = &mut call => panic!("answered early: {outcome:?}"),
        () = until(|| serving.running().iter().any(|(kind, _)| *kind == "link_serve")) => {}
    }
    b.scope.shutdown(SOON).await.unwrap();
    assert_eq!(call.await, Err(CallError::Reset));
    let down = wait_for(&mut events, down).await;
    assert_eq!((down.0.node, down.1 == DownCause::Silent), (NodeId(2), false));
    let last_known = wait_for(&mut events, refused).await;
    assert_eq!(last_known.map(|peer| (peer.node, peer.generation)), Some((NodeId(2), Generation(1))));
}

fn down(event: LinkEvent) -> Option<(Arc<Hello>, DownCause)> {
    match event {
        LinkEvent::Down { peer, cause, .. } => Some((peer, cause)),
        _ => None,
    }
}

fn refused(event: LinkEvent) -> Option<Option<Arc<Hello>>> {
    match event {
        LinkEvent::Refused { peer, .. } => Some(peer),
        _ => None,
    }
}

#[tokio::test]
async fn a_kept_link_comes_up_again_and_shows_the_new_generation() {
    let (a, b) = (TestNode::start(1).await, TestNode::start(2).await);
    let mut events = kept(&a, &b).await;
    let addr = b.kill().await;
    wait_for(&mut events, refused).await;
    let listener = TcpListener::bind(&addr).await.unwrap();
    let _again = TestNode::start_on(listener, 2, quick(), |hello| hello.generation = Generation(2));
    let up = |event| match event {
        LinkEvent::Up { peer, .. } => Some(peer.generation),
        _ => None,
    };
    assert_eq!(wait_for(&mut events, up).await, Generation(2));
    assert_eq!(a.links.addr_of(NodeId(2)), Some((addr, Generation(2))));
}

#[tokio::test]
async fn another_installation_is_refused_by_name() {
    let a = TestNode::start(1).await;
    let b = TestNode::start_with(2, quick(), |hello| hello.cluster_name = "other".into()).await;
    let outcome = a.echo(&b).await;
    let Err(CallError::Handshake(HelloRefusal::ClusterName { here, theirs })) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((here.as_str(), theirs.as_str()), ("other", "test"));
}

struct Nobody;

impl Gatekeeper for Nobody {
    fn check(&self, theirs: &Hello) -> Result<(), HelloRefusal> {
        Err(HelloRefusal::Generation { theirs: theirs.generation, seen: Generation(9) })
    }
}

#[tokio::test]
async fn the_gatekeeper_judges_those_who_dial_and_those_who_answer() {
    let (a, b) = (TestNode::start(1).await, TestNode::start(2).await);
    b.links.guard(Arc::new(Nobody));
    let refused =
        CallError::Handshake(HelloRefusal::Generation { theirs: Generation(1), seen: Generation(9) });
    assert_eq!(a.echo(&b).await, Err(refused.clone()));
    assert_eq!(b.echo(&a).await, Err(refused));
}

#[tokio::test]
async fn a_full_server_answers_busy() {
    let config = LinkConfig { served_in_flight: 1, ..quick() };
    let (a, b) = (TestNode::start(1).await, TestNode::start_with(2, config, |_| {}).await);
    let wait = Wait { number: 1 };
    let first = a.links.call(&b.addr, &wait, SOON);
    tokio::pin!(first);
    tokio::select! {
        outcome = &mut first => panic!("answered early: {outcome:?}"),
        () = until(|| b.scope.running().iter().any(|(kind, _)| *kind == "link_serve")) => {}
    }
    assert!(matches!(a.echo(&b).await, Err(CallError::Rpc(RpcError::Busy { .. }))));
    b.gate.notify_one();
    assert_eq!(first.await, Ok(1));
}

#[tokio::test]
async fn a_full_link_is_busy_for_others_but_not_for_control_calls() {
    let config = LinkConfig { in_flight_per_peer: 1, ..quick() };
    let (a, b) = (TestNode::start_with(1, config, |_| {}).await, TestNode::start(2).await);
    let wait = Wait { number: 1 };
    let first = a.links.call(&b.addr, &wait, SOON);
    tokio::pin!(first);
    tokio::select! {
        outcome = &mut first => panic!("answered early: {outcome:?}"),
        () = until(|| b.scope.running().iter().any(|(kind, _)| *kind == "link_serve")) => {}
    }
    assert_eq!(a.echo(&b).await, Err(CallError::Busy));
    let control = a.links.call_raw(&b.addr, 20, Bytes::new(), SOON).await;
    assert_eq!(control, Err(CallError::Rpc(RpcError::NoMethod(20))));
    b.gate.notify_one();
    assert_eq!(first.await, Ok(1));
}

#[tokio::test]
async fn a_handler_that_panics_is_answered_for() {
    let (a, b) = (TestNode::start(1).await, TestNode::start(2).await);
    let outcome = a.links.call(&b.addr, &Echo { text: "panic".into() }, SOON).await;
    assert!(matches!(outcome, Err(CallError::Rpc(RpcError::Unknown { .. }))), "{outcome:?}");
    assert_eq!(a.echo(&b).await, Ok("hi".into()));
}

#[tokio::test]
async fn a_dropped_call_gives_its_place_back() {
    let config = LinkConfig { in_flight_per_peer: 1, ..quick() };
    let (a, b) = (TestNode::start_with(1, config, |_| {}).await, TestNode::start(2).await);
    let outcome = a.links.call(&b.addr, &Wait { number: 1 }, Duration::from_millis(50)).await;
    assert_eq!(outcome, Err(CallError::Timeout));
    assert_eq!(a.echo(&b).await, Ok("hi".into()));
    b.gate.notify_one();
    assert_eq!(a.echo(&b).await, Ok("hi".into()), "the late answer is dropped");
}

#[tokio::test]
async fn a_request_over_the_frame_limit_is_too_large_and_one_at_the_limit_passes() {
    let (a, b) = (TestNode::start(1).await, TestNode::start(2).await);
    let over = Bytes::from(vec![0_u8; PAYLOAD_BYTES_MAX + 1]);
    assert_eq!(a.links.call_raw(&b.addr, 9003, over, SOON).await, Err(CallError::TooLarge));
    let at = Bytes::from(vec![0_u8; PAYLOAD_BYTES_MAX]);
    let outcome = a.links.call_raw(&b.addr, 9003, at, SOON).await;
    assert_eq!(outcome, Err(CallError::Rpc(RpcError::NoMethod(9003))));
}

#[tokio::test]
async fn garbage_closes_only_the_link_that_it_came_over() {
    let (a, b) = (TestNode::start(1).await, TestNode::start(2).await);
    assert_eq!(a.echo(&b).await, Ok("hi".into()));
    let mut stranger = TcpStream::connect(&b.addr).await.unwrap();
    stranger.write_all(&[0xff; 4 * HEADER_BYTES]).await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(SOON, stranger.read_to_end(&mut rest)).await.unwrap();
    assert!(closed.is_err() || rest.is_empty());
    assert_eq!(a.echo(&b).await, Ok("hi".into()));
}

#[tokio::test]
async fn a_node_that_is_not_the_one_meant_is_not_called() {
    let (a, b) = (TestNode::start(1).await, TestNode::start(2).await);
    let mut to = NodeRef {
        id: NodeId(2),
        generation: Generation(1),
        member: MemberNumber(2),
        name: "m2".into(),
        addr: b.addr.clone(),
    };
    assert_eq!(a.links.call_node(&to, &Echo { text: "x".into() }, SOON).await, Ok("x".into()));
    to.id = NodeId(3);
    assert_eq!(a.links.call_node(&to, &Echo { text: "x".into() }, SOON).await, Err(CallError::NotThatNode));
}

#[tokio::test]
async fn what_a_node_learns_about_itself_reaches_peers_over_open_links() {
    let (a, b) = (TestNode::start(1).await, TestNode::start(2).await);
    let mut events = a.links.events();
    assert_eq!(a.echo(&b).await, Ok("hi".into()));
    b.links.update_hello(|hello| hello.cluster = Some(ClusterId(5)));
    let founded = |event| match event {
        LinkEvent::Up { peer, .. } => peer.cluster,
        _ => None,
    };
    assert_eq!(wait_for(&mut events, founded).await, ClusterId(5));
    assert_eq!(a.links.peer(&b.addr).unwrap().cluster, Some(ClusterId(5)));
}

/// Takes one link, welcomes the dialler and then never says anything.
async fn hung_peer(listener: TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut buffer = BytesMut::new();
    while Frame::decode(&mut buffer).unwrap().is_none() {
        stream.read_buf(&mut buffer).await.unwrap();
    }
    let welcome = Welcome::Accepted(Box::new(hello(9, "")));
    let payload = Bytes::from(muster_wire::encode(&welcome).unwrap());
    let mut out = BytesMut::new();
    Frame { kind: Kind::Hello, correlation: 0, method: 0, payload }.encode(&mut out).unwrap();
    stream.write_all(&out).await.unwrap();
    stream
}

#[tokio::test]
async fn a_kept_link_whose_peer_answers_nothing_is_silent() {
    let a = TestNode::start(1).await;
    let mut events = a.links.events();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    a.links.keep(&listener.local_addr().unwrap().to_string());
    let _open = hung_peer(listener).await;
    assert_eq!(wait_for(&mut events, down).await.1, DownCause::Silent);
}

#[tokio::test]
async fn an_unused_link_closes_without_an_alarm_and_is_dialled_again_when_needed() {
    let config = LinkConfig { idle_close: Duration::from_millis(40), ..quick() };
    let (a, b) = (TestNode::start_with(1, config, |_| {}).await, TestNode::start(2).await);
    let mut events = a.links.events();
    assert_eq!(a.echo(&b).await, Ok("hi".into()));
    until(|| !b.scope.running().iter().any(|(kind, _)| *kind == "link_inbound")).await;
    assert_eq!(a.echo(&b).await, Ok("hi".into()));
    let mut heard = Vec::new();
    while let Ok(event) = events.try_recv() {
        heard.push(event);
    }
    assert!(heard.iter().all(|event| matches!(event, LinkEvent::Up { .. })), "{heard:?}");
}

#[tokio::test]
async fn shutdown_ends_every_task() {
    let (a, b) = (TestNode::start(1).await, TestNode::start(2).await);
    a.links.keep(&b.addr);
    a.links.keep("127.0.0.1:1");
    assert_eq!(a.echo(&b).await, Ok("hi".into()));
    let wait = Wait { number: 1 };
    let call = a.links.call(&b.addr, &wait, SOON);
    let stop = async {
        until(|| b.scope.running().iter().any(|(kind, _)| *kind == "link_serve")).await;
        a.scope.shutdown(SOON).await.unwrap();
        b.scope.shutdown(SOON).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(call, stop);
    assert_eq!(outcome, Err(CallError::Stopping));
    until(|| a.scope.running().is_empty() && b.scope.running().is_empty()).await;
    assert_eq!(a.echo(&b).await, Err(CallError::Stopping));
}

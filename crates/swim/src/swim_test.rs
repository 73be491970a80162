//! The detector on real sockets of this machine.

use std::time::Duration;

use super::*;

use crate::model::{Event, State};
use muster_wire::Generation;

const PATIENCE: Duration = Duration::from_secs(60);

struct Node {
    swim: Swim,
    scope: TaskScope,
}

async fn start(id: u128, generation: u64, seeds: &[String]) -> Node {
    let config = Config {
        id: NodeId(id),
        generation: Generation(generation),
        cluster: "loopback".into(),
        listen: "127.0.0.1:0".parse().unwrap(),
        seeds: seeds.to_vec(),
        meta: Meta { name: format!("n{id}"), ..Meta::default() },
        profile: Profile::Test,
        keys: KeyRing::default(),
    };
    let scope = TaskScope::new();
    let swim = Swim::start(config, scope.clone(), Clock::system()).await.unwrap();
    Node { swim, scope }
}

/// Reads events until one passes.
async fn until(events: &mut Events, pass: impl Fn(&Event) -> bool) -> Event {
    let wait = async {
        loop {
            let event = events.next().await.expect("the detector runs");
            if pass(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the event comes before the deadline")
}

/// Waits until a snapshot passes; changes come with events.
async fn until_view(swim: &Swim, pass: impl Fn(&[Member]) -> bool) {
    let (members, mut events) = swim.subscribe();
    if !pass(&members) {
        until(&mut events, |_| pass(&swim.snapshot())).await;
    }
}

fn alive(members: &[Member]) -> usize {
    members.iter().filter(|member| member.state == State::Alive).count()
}

fn is_dead(event: &Event, (of, process): (u128, u64)) -> bool {
    matches!(event, Event::Dead { id, generation, .. } if (id.0, generation.0) == (of, process))
}

async fn three() -> [Node; 3] {
    let first = start(1, 1, &[]).await;
    // a name, not a number: seeds are resolved
    let seed = [format!("localhost:{}", first.swim.local_addr().port())];
    let nodes = [first, start(2, 1, &seed).await, start(3, 1, &seed).await];
    for node in &nodes {
        until_view(&node.swim, |members| alive(members) == 3).await;
    }
    nodes
}

#[tokio::test]
async fn three_nodes_find_each_other_and_see_a_death_and_a_return() {
    let [one, two, three] = three().await;
    let mut streams = [one.swim.subscribe().1, two.swim.subscribe().1];
    let (_, mut own) = three.swim.subscribe();
    three.scope.shutdown(PATIENCE).await.unwrap();
    for events in &mut streams {
        until(events, |event| is_dead(event, (3, 1))).await;
    }
    tokio::time::timeout(PATIENCE, async { while own.next().await.is_some() {} }).await.unwrap();
    let again = start(3, 2, &[one.swim.local_addr().to_string()]).await;
    for events in &mut streams {
        until(
            events,
            |event| matches!(event, Event::Join { member, .. } if member.generation == Generation(2)),
        )
        .await;
    }
    until_view(&again.swim, |members| alive(members) == 3).await;
    assert_eq!(one.swim.member(NodeId(3)).unwrap().meta.swim, again.swim.local_addr().to_string());
}

#[tokio::test]
async fn a_goodbye_is_seen_by_the_others_and_frees_the_port() {
    let [one, two, three] = three().await;
    let mut streams = [one.swim.subscribe().1, two.swim.subscribe().1];
    three.swim.leave(LeaveReason::Shutdown, PATIENCE).await;
    let left = Event::Leave { id: NodeId(3), generation: Generation(1), reason: LeaveReason::Shutdown };
    for events in &mut streams {
        until(events, |event| *event == left).await;
    }
    three.scope.shutdown(PATIENCE).await.unwrap();
    std::net::UdpSocket::bind(three.swim.local_addr()).unwrap();
    three.swim.leave(LeaveReason::Shutdown, PATIENCE).await;
}

#[tokio::test]
async fn changed_metadata_reaches_the_others_and_too_long_metadata_does_not() {
    let [one, two, _three] = three().await;
    let (_, mut events) = two.swim.subscribe();
    one.swim.update_meta(|meta| meta.name = "x".repeat(600));
    one.swim.update_meta(|meta| meta.draining = true);
    let update = until(&mut events, |event| matches!(event, Event::Update { .. })).await;
    let Event::Update { member, .. } = update else { unreachable!() };
    assert_eq!((member.id, member.meta.draining, member.meta.name.as_str()), (NodeId(1), true, "n1"));
    assert_eq!(one.swim.member(NodeId(1)).unwrap().meta_version, 2);
}

#[tokio::test]
async fn seeds_that_come_later_are_used() {
    let (one, two) = (start(1, 1, &[]).await, start(2, 1, &[]).await);
    two.swim.set_seeds(vec!["no.such.host.invalid:1".into(), one.swim.local_addr().to_string()]);
    until_view(&one.swim, |members| alive(members) == 2).await;
    until_view(&two.swim, |members| alive(members) == 2).await;
}

#[tokio::test]
async fn metadata_over_the_limit_and_a_taken_port_are_refused() {
    let one = start(1, 1, &[]).await;
    let config = |listen: SocketAddr, name: &str| Config {
        id: NodeId(2),
        generation: Generation(1),
        cluster: "loopback".into(),
        listen,
        seeds: Vec::new(),
        meta: Meta { name: name.into(), ..Meta::default() },
        profile: Profile::Test,
        keys: KeyRing::default(),
    };
    let taken = Swim::start(config(one.swim.local_addr(), ""), TaskScope::new(), Clock::system()).await;
    assert!(matches!(taken.err(), Some(SwimError::Bind { .. })));
    let free = "127.0.0.1:0".parse().unwrap();
    let long = Swim::start(config(free, &"x".repeat(600)), TaskScope::new(), Clock::system()).await;
    assert!(matches!(long.err(), Some(SwimError::MetaTooLarge)));
}

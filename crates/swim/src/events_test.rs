use super::*;
use muster_wire::{Generation, NodeId};

fn event(generation: u64) -> Event {
    Event::Leave {
        id: NodeId(1),
        generation: Generation(generation),
        reason: crate::model::LeaveReason::Drain,
    }
}

#[tokio::test]
async fn a_slow_subscriber_is_told_of_its_gap_and_then_goes_on() {
    let published = Published::default();
    let (_, mut events) = published.subscribe(Filter::default());
    for number in 0..EVENTS_QUEUE_MAX as u64 + 5 {
        published.publish(Vec::new(), &[event(number)]);
    }
    for number in 0..EVENTS_QUEUE_MAX as u64 {
        assert_eq!(events.next().await, Some(event(number)));
        published.publish(Vec::new(), &[event(9999)]);
    }
    assert_eq!(events.next().await, Some(Event::Lagged { missed: 5 + EVENTS_QUEUE_MAX as u64 }));
    published.publish(Vec::new(), &[event(7)]);
    assert_eq!(events.next().await, Some(event(7)));
}

#[tokio::test]
async fn a_stream_ends_after_its_last_event_when_the_detector_stops() {
    let published = Published::default();
    let (_, mut events) = published.subscribe(Filter::default());
    published.publish(Vec::new(), &[event(1)]);
    published.stop();
    assert_eq!(events.next().await, Some(event(1)));
    assert_eq!(events.next().await, None);
    let (_, mut late) = published.subscribe(Filter::default());
    assert_eq!(late.next().await, None);
}

fn member(id: u128, role: Role, dc: &str) -> Member {
    let meta = crate::model::Meta { role, dc: dc.into(), ..Default::default() };
    Member {
        id: NodeId(id),
        generation: Generation(1),
        incarnation: 0,
        state: State::Alive,
        meta: Arc::new(meta),
        meta_version: 1,
        since: std::time::Duration::ZERO,
        rtt: None,
    }
}

#[tokio::test]
async fn a_filter_leaves_out_other_roles_and_datacenters_and_keeps_what_concerns_this_node() {
    let members =
        vec![member(1, Role::Worker, "a"), member(2, Role::Manager, "a"), member(3, Role::Manager, "b")];
    let published = Published::default();
    published.publish(members.clone(), &[]);
    let filter = Filter { roles: vec![Role::Manager], dcs: vec!["a".into()] };
    let (seen, mut events) = published.subscribe(filter);
    assert_eq!(*seen, members[1..2]);
    let join = |at: usize| Event::Join { member: members[at].clone(), previous: None };
    published.publish(members.clone(), &[join(0), join(2), Event::SelfHealth { lhm: 1 }, join(1)]);
    assert_eq!((events.next().await, events.seq()), (Some(Event::SelfHealth { lhm: 1 }), 3));
    assert_eq!((events.next().await, events.seq()), (Some(join(1)), 4));
}

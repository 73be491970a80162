use super::*;
use muster_wire::{Generation, NodeId};

fn event(generation: u64) -> Event {
    Event::Alive { id: NodeId(1), generation: Generation(generation) }
}

#[tokio::test]
async fn a_slow_subscriber_is_told_of_its_gap_and_then_goes_on() {
    let published = Published::default();
    let (_, mut events) = published.subscribe();
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
    let (_, mut events) = published.subscribe();
    published.publish(Vec::new(), &[event(1)]);
    published.stop();
    assert_eq!(events.next().await, Some(event(1)));
    assert_eq!(events.next().await, None);
    let (_, mut late) = published.subscribe();
    assert_eq!(late.next().await, None);
}

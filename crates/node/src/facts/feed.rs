//! What happens to members, for those who follow over HTTP.

use std::collections::VecDeque;
use std::time::Duration;

use muster_runtime::Clock;
use muster_swim::{Event, Events, Member, Swim};
use muster_wire::api::MemberEvent;

/// First every member, then every change. Ends when the node stops.
pub struct MemberFeed {
    swim: Swim,
    clock: Clock,
    first: VecDeque<Member>,
    events: Events,
}

impl MemberFeed {
    pub(super) fn new(swim: &Swim, clock: &Clock) -> Self {
        let (members, events) = swim.subscribe();
        Self { swim: swim.clone(), clock: clock.clone(), first: members.iter().cloned().collect(), events }
    }

    /// The next item; `None` when the node stops.
    pub async fn next(&mut self) -> Option<MemberEvent> {
        if let Some(member) = self.first.pop_front() {
            return Some(self.of_member("member", &member, known_for(self.swim.age(member.since))));
        }
        let event = self.events.next().await?;
        Some(self.of_event(&event))
    }

    fn of_event(&self, event: &Event) -> MemberEvent {
        let detail = detail(event);
        match event {
            Event::Join { member, .. } | Event::Update { member, .. } => {
                self.of_member(event.name(), member, detail)
            }
            other => match other.subject().and_then(|id| self.swim.member(id)) {
                Some(member) => self.of_member(other.name(), &member, detail),
                None => self.item(other.name(), detail),
            },
        }
    }

    fn of_member(&self, event: &str, member: &Member, detail: String) -> MemberEvent {
        MemberEvent {
            id: Some(member.id.to_string()),
            name: Some(member.meta.name.clone()),
            generation: Some(member.generation.0),
            incarnation: Some(u64::from(member.incarnation)),
            state: Some(member.state.name().into()),
            ..self.item(event, detail)
        }
    }

    fn item(&self, event: &str, detail: String) -> MemberEvent {
        MemberEvent {
            seq: self.events.seq(),
            at: rfc3339(self.clock.unix_ms()),
            event: event.into(),
            id: None,
            name: None,
            generation: None,
            incarnation: None,
            state: None,
            detail,
        }
    }
}

fn known_for(age: Duration) -> String {
    format!("for {:.1} s", age.as_secs_f64())
}

fn detail(event: &Event) -> String {
    match event {
        Event::Join { previous: Some(previous), .. } => format!("after generation {previous}"),
        Event::Join { previous: None, .. } => "new".into(),
        Event::Suspect { by, .. } => format!("found silent by {by}"),
        Event::Alive { suspected_for, .. } => {
            format!("was suspected for {:.1} s", suspected_for.as_secs_f64())
        }
        Event::Leave { reason, .. } => reason.name().into(),
        Event::Dead { confirmations, detected_in, .. } => {
            format!("found silent by {confirmations}, {:.1} s after the first", detected_in.as_secs_f64())
        }
        Event::Update { previous, .. } => format!("metadata after version {previous}"),
        Event::SelfHealth { lhm } => format!("local health multiplier {lhm}"),
        Event::MassSuspicion { over: true, .. } => "over".into(),
        Event::MassSuspicion { silent, members, .. } => {
            format!("{silent} of {members} members are silent at once")
        }
        Event::SelfDead { by } => format!("declared dead by {by}"),
        Event::Lagged { missed } => format!("{missed} events were left out: list the members"),
    }
}

/// Milliseconds since 1970 as text.
pub(super) fn rfc3339(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.unwrap_or(jiff::Timestamp::MAX).to_string()
}

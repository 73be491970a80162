//! One plain line a change, for pipes and log files.

use muster_wire::api::{EventKind, JobEvent, JobView};

use super::Shower;
use crate::failure::Failure;
use crate::output::Output;

/// Prints a line a change to stderr: it is progress, not data.
pub(super) struct Plain {
    out: Output,
    said: String,
}

impl Plain {
    pub(super) fn new(out: Output) -> Self {
        Self { out, said: String::new() }
    }
}

impl Shower for Plain {
    fn event(&mut self, event: &JobEvent, _: Option<&JobView>) -> Result<(), Failure> {
        let line = line(event);
        if line != self.said {
            self.out.note(&format!("{} {line}", clock(&event.at)));
            self.said = line;
        }
        Ok(())
    }

    fn wants_state(&self) -> bool {
        false
    }

    fn end(&mut self, _: &JobView) {}
}

/// In JSON mode the events themselves are the output.
pub(super) struct Silent;

impl Shower for Silent {
    fn event(&mut self, _: &JobEvent, _: Option<&JobView>) -> Result<(), Failure> {
        Ok(())
    }

    fn wants_state(&self) -> bool {
        false
    }

    fn end(&mut self, _: &JobView) {}
}

/// `12:34:56` of an RFC 3339 text.
fn clock(at: &str) -> &str {
    at.get(11..19).unwrap_or(at)
}

fn line(event: &JobEvent) -> String {
    let place = event.datacenter.as_ref().map(|dc| format!(" in {dc}")).unwrap_or_default();
    let workflow = event.workflow.as_deref().unwrap_or("job");
    let reason = event.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let text = match event.kind {
        EventKind::Status | EventKind::End => format!("job {}", event.status),
        EventKind::Workflow => format!("{workflow} {}{place}", word(event)),
        EventKind::Progress => format!("progress {}{place}", counts(event)),
        EventKind::Result => format!("{workflow} has ended{place}"),
        EventKind::Leader => format!("led by {}", event.leader.as_deref().unwrap_or("nobody")),
        EventKind::Truncated => "older events are not kept any more".into(),
        EventKind::Stats => "statistics".into(),
    };
    text + &reason
}

fn word(event: &JobEvent) -> &'static str {
    event.workflow_status.map_or("changed", muster_wire::job::WorkflowStatus::word)
}

fn counts(event: &JobEvent) -> String {
    let percent = (event.progress.unwrap_or(0.0) * 100.0).floor();
    let (completed, failed) = (event.completed.unwrap_or(0), event.failed.unwrap_or(0));
    match failed {
        0 => format!("{percent}%, {completed} shards done"),
        _ => format!("{percent}%, {completed} shards done, {failed} failed"),
    }
}

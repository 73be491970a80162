//! Job ids, which may be shortened to any unambiguous prefix.

use muster_consensus::{Consistency, View};
use muster_node::http::{Answer, Problem};
use muster_wire::JobId;

use crate::gate::Gate;
use crate::machine::GateJob;

/// Shortest prefix of an id.
const PREFIX_LEN_MIN: usize = 4;

/// The job that is meant.
pub(super) async fn resolve(gate: &Gate, text: &str) -> Answer<JobId> {
    match text.parse::<JobId>() {
        Ok(job) => Ok(job),
        Err(_) => resolve_prefix(gate, text).await,
    }
}

async fn resolve_prefix(gate: &Gate, text: &str) -> Answer<JobId> {
    check_prefix(text)?;
    let directory = gate.coordinator.directory_read(gate.config.request_timeout).await?;
    match directory.resolve_prefix(text).as_slice() {
        [] => Err(Problem::unknown_job()),
        [job] => Ok(*job),
        several => Err(ambiguous(text, several)),
    }
}

fn check_prefix(text: &str) -> Answer<()> {
    let is_hex = text.chars().all(|sign| sign.is_ascii_hexdigit() || sign == '-');
    match is_hex && text.len() >= PREFIX_LEN_MIN {
        true => Ok(()),
        false => {
            let detail = format!("`{text}` is no job id, nor {PREFIX_LEN_MIN} or more digits of one");
            Err(Problem::malformed(detail))
        }
    }
}

fn ambiguous(text: &str, several: &[JobId]) -> Problem {
    let names: Vec<String> = several.iter().map(ToString::to_string).collect();
    Problem::malformed(format!("`{text}` fits several jobs, give more digits: {}", names.join(", ")))
}

/// The job that is meant, as it is; one that was never submitted to is not known.
pub(super) async fn read(gate: &Gate, text: &str, how: Consistency) -> Answer<View<GateJob>> {
    let job = resolve(gate, text).await?;
    let view = gate.read(job, how).await?;
    match (view.state.tombstone, &view.state.record) {
        (Some(retired), _) => Err(Problem::unknown_job().with_job_status(retired.status)),
        (None, None) => Err(Problem::unknown_job()),
        (None, Some(_)) => Ok(view),
    }
}

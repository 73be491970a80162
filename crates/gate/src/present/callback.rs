//! A job's webhooks.

use muster_wire::api::{CallbackState, CallbackView};

use super::time;
use crate::gate::Gate;
use crate::machine::{Callback, DroppedCallback, GateJob};

/// Those of the job by url, then those that were dropped.
pub fn callbacks(gate: &Gate, job: &GateJob) -> Vec<CallbackView> {
    let present = job.callbacks.iter().map(|(url, callback)| present(gate, job, (url, callback)));
    present.chain(job.dropped_callbacks.iter().map(dropped)).collect()
}

fn present(gate: &Gate, job: &GateJob, (url, callback): (&String, &Callback)) -> CallbackView {
    let owed = callback.owed(job);
    let tries = gate.webhooks.tries.get(job.job, url);
    let gives_up_ms = owed.first().map(|first| gate.config.gives_up_ms(callback, first));
    CallbackView {
        url: url.clone(),
        kinds: callback.kinds.clone(),
        state: state(job, !owed.is_empty()),
        signed: callback.secret.len() > 1,
        delivered: callback.delivered,
        owed: owed.len() as u64,
        tries: tries.as_ref().map(|tries| tries.count),
        error: tries.map(|tries| tries.error),
        gives_up_at: gives_up_ms.map(time),
    }
}

fn state(job: &GateJob, is_owed: bool) -> CallbackState {
    match (is_owed, job.is_terminal()) {
        (true, _) => CallbackState::Delivering,
        (false, true) => CallbackState::Done,
        (false, false) => CallbackState::Idle,
    }
}

fn dropped(callback: &DroppedCallback) -> CallbackView {
    let state = match callback.gave_up {
        Some(_) => CallbackState::GaveUp,
        None => CallbackState::Removed,
    };
    CallbackView {
        url: callback.url.clone(),
        kinds: Vec::new(),
        state,
        signed: false,
        delivered: callback.delivered,
        owed: 0,
        tries: None,
        error: callback.gave_up.clone(),
        gives_up_at: None,
    }
}

//! The job's replicated key/values: linearizable reads, versioned changes.

use std::sync::Arc;

use muster_consensus::{Consistency, View};
use muster_machine::{Entry, EntryReply, Reason};
use muster_wire::RequestId;
use muster_wire::rpc::RpcError;
use muster_wire::rpc::manager::{ChangeContext, ContextChange, ContextPage, ReadContext};

use super::at_leader::at_leader;
use crate::machine::commands::{ContextChanged, UpdateContext};
use crate::machine::{JobRecord, ManagerJob};
use crate::shared::{PROPOSE_WITHIN, Shared};

/// Entries made anew because another leader had come meanwhile.
const TRIES_MAX: u32 = 4;

/// `ReadContext`.
pub(crate) async fn read(shared: Arc<Shared>, call: ReadContext) -> Result<ContextPage, RpcError> {
    at_leader(shared, call, read_here).await
}

async fn read_here(shared: Arc<Shared>, call: ReadContext) -> Result<ContextPage, RpcError> {
    let view = shared.coordinator.read(call.job, Consistency::Linearizable, PROPOSE_WITHIN).await?;
    let context = view.state.record().map(JobRecord::context).ok_or_else(|| shared.not_leader(call.job))?;
    Ok(ContextPage { version: context.version(), values: context.values() })
}

/// `ChangeContext`.
pub(crate) async fn change(shared: Arc<Shared>, call: ChangeContext) -> Result<ContextChange, RpcError> {
    if call.request == RequestId::INTERNAL {
        return Err(RpcError::Malformed("a change of the context needs a request id".into()));
    }
    at_leader(shared, call, change_here).await
}

/// The answer to a request is kept, so that a repeat gets it. An entry that came under the token of an earlier leader
/// changed nothing: it is made anew under the next id that follows from the request's, as any repeat of it will be.
async fn change_here(shared: Arc<Shared>, call: ChangeContext) -> Result<ContextChange, RpcError> {
    for attempt in 0..TRIES_MAX {
        let view = shared.acting_view(call.job)?;
        let entry = entry(&shared, &view, (&call, attempt))?;
        let reply = shared.coordinator.propose_here(call.job, entry, PROPOSE_WITHIN).await?;
        match reply.rejection() {
            Some(Reason::Fenced { .. }) => {}
            Some(reason) => return refused(reason),
            None => return changed(&reply),
        }
    }
    Err(RpcError::Busy { retry_after_ms: 100 })
}

fn entry(
    shared: &Shared,
    view: &View<ManagerJob>,
    (call, attempt): (&ChangeContext, u32),
) -> Result<Entry, RpcError> {
    let at_ms = shared.clock.unix_ms().max(view.at_ms);
    let request = RequestId(call.request.0.wrapping_add(u128::from(attempt)));
    let update =
        UpdateContext { from: None, expected_version: call.expected_version, updates: call.updates.clone() };
    let entry = Entry::new(call.job, view.token(), at_ms).for_request(request).with(&update);
    entry.map_err(|error| RpcError::Malformed(error.to_string()))
}

fn changed(reply: &EntryReply) -> Result<ContextChange, RpcError> {
    let ContextChanged { version, previous } =
        reply.reply(0).map_err(|error| RpcError::Unknown { why: error.to_string() })?;
    metrics::counter!("muster_context_changes_total").increment(1);
    Ok(ContextChange::Changed { version, previous })
}

fn refused(reason: &Reason) -> Result<ContextChange, RpcError> {
    match reason {
        Reason::Conflict { version } => Ok(ContextChange::Conflict { version: *version }),
        Reason::TooLarge { what } => Ok(ContextChange::TooLarge { what: what.clone() }),
        Reason::Gone { status } => Err(RpcError::Gone { status: *status }),
        Reason::TooOld => Err(RpcError::Refused { why: "the request is too old to be repeated".into() }),
        reason => Err(RpcError::Refused { why: reason.to_string() }),
    }
}

//! Progress and results from workers. A result that comes to another manager is forwarded once to the job's leader.

use std::sync::Arc;

use muster_wire::rpc::worker::{CoresFree, ReportShardProgress, ReportShardResult, ResultReply};
use muster_wire::rpc::{Ack, RpcError};

use super::submit::pass_on;
use crate::progress::take_progress;
use crate::results::{commit_result, stale};
use crate::shared::Shared;

pub(super) async fn progress(shared: Arc<Shared>, call: ReportShardProgress) -> Result<Ack, RpcError> {
    shared.acting_view(call.job)?;
    take_progress(&shared, call)?;
    Ok(Ack {})
}

pub(super) async fn result(shared: Arc<Shared>, call: ReportShardResult) -> Result<ResultReply, RpcError> {
    let again = call.clone();
    match commit_result(&shared, call).await {
        Err(RpcError::Gone { .. }) => Ok(stale()),
        Err(RpcError::NotLeader { leader: Some(leader) }) if !again.forwarded => {
            pass_on(&shared, &leader, &ReportShardResult { forwarded: true, ..again }).await
        }
        answer => answer,
    }
}

/// A worker has room for a job that waits.
pub(super) async fn room(shared: Arc<Shared>, call: CoresFree) -> Result<Ack, RpcError> {
    shared.load.forget_told();
    shared.poke(call.job);
    Ok(Ack {})
}

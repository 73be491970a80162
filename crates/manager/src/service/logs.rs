//! `ReadJobLog`: the worker of the shard's last attempt has the log; the manager asks it.

use std::sync::Arc;

use muster_consensus::Consistency;
use muster_link::CallError;
use muster_machine::Machine as _;
use muster_wire::NodeRef;
use muster_wire::job::AttemptKey;
use muster_wire::rpc::RpcError;
use muster_wire::rpc::manager::{LogChunk, ReadJobLog};
use muster_wire::rpc::worker::ReadShardLog;

use crate::machine::JobRecord;
use crate::shared::{CALL_WITHIN, Shared};

/// The largest piece of a log in one answer, bytes.
const PIECE_BYTES_MAX: u32 = 256 * 1024;

pub(crate) async fn read(shared: Arc<Shared>, call: ReadJobLog) -> Result<LogChunk, RpcError> {
    let place = match place_of_record(&shared, &call).await {
        Err(error @ (RpcError::Gone { .. } | RpcError::UnknownJob)) => {
            Some(place_told(&shared, &call).ok_or(error)?)
        }
        found => found?,
    };
    match place {
        Some((worker, key)) => ask(&shared, &worker, &piece(&call, key)).await,
        None => Ok(LogChunk::default()),
    }
}

/// Where the shard's last attempt ran, by the job's record; `None` when it never had one.
async fn place_of_record(
    shared: &Shared,
    call: &ReadJobLog,
) -> Result<Option<(NodeRef, AttemptKey)>, RpcError> {
    if let RpcError::Gone { status } = shared.not_leader(call.job) {
        return Err(RpcError::Gone { status });
    }
    let view = shared.coordinator.read(call.job, Consistency::Stale, CALL_WITHIN).await?;
    if let Some(tombstone) = view.state.retired() {
        return Err(RpcError::Gone { status: tombstone.status });
    }
    let record = view.state.record().ok_or(RpcError::UnknownJob)?;
    Ok(last_attempt(record, call))
}

/// A purged job: its gate still knows which worker ran the accepted attempt.
fn place_told(shared: &Shared, call: &ReadJobLog) -> Option<(NodeRef, AttemptKey)> {
    let told = call.place.as_ref()?;
    let seat = shared.seats().into_iter().find(|seat| seat.node.name == told.worker)?;
    Some((seat.node, AttemptKey { workflow: call.workflow, shard: call.shard, attempt: told.attempt }))
}

fn last_attempt(record: &JobRecord, call: &ReadJobLog) -> Option<(NodeRef, AttemptKey)> {
    let row = record.row(call.workflow, call.shard)?;
    let worker = record.worker_of(&row)?.clone();
    let key = AttemptKey { workflow: call.workflow, shard: call.shard, attempt: row.last_attempt() };
    Some((worker, key))
}

fn piece(call: &ReadJobLog, key: AttemptKey) -> ReadShardLog {
    ReadShardLog { job: call.job, key, offset: call.offset, limit: call.limit.min(PIECE_BYTES_MAX) }
}

/// The worker may have been restarted since: its logs are still there, so only its id counts.
async fn ask(shared: &Shared, worker: &NodeRef, piece: &ReadShardLog) -> Result<LogChunk, RpcError> {
    let now = shared.seats().into_iter().find(|seat| seat.node.id == worker.id);
    let addr = now.map_or_else(|| worker.addr.clone(), |seat| seat.node.addr);
    match shared.links.call(&addr, piece, CALL_WITHIN).await {
        Ok(chunk) => Ok(chunk),
        Err(CallError::Rpc(error)) => Err(error),
        Err(error) => {
            Err(RpcError::Unknown { why: format!("worker {} does not answer: {error}", worker.name) })
        }
    }
}

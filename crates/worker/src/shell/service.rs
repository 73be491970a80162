//! The calls that managers make.

use std::sync::Arc;
use std::time::Duration;

use muster_link::{Service, router};
use muster_wire::rpc::RpcError;
use muster_wire::rpc::worker::{
    AdoptJob, DescribeWorker, DrainWorker, ForgetJob, ReadShardLog, ReleaseReservation, Reserve, StartShard,
    StopReply, StopShards,
};

use super::Shell;
use crate::worker::Worker;

/// A stop is answered after this at the latest; most processes end within.
const STOP_ANSWER: Duration = Duration::from_millis(250);

/// Answers calls 100 to 108.
pub(crate) fn service(worker: &Arc<Worker>) -> Arc<dyn Service> {
    let shell = &worker.shell;
    let (described, drained) = (worker.clone(), worker.clone());
    let (a, b, c, d) = (shell.clone(), shell.clone(), shell.clone(), shell.clone());
    let (e, f, g) = (shell.clone(), shell.clone(), shell.clone());
    router()
        .on(move |_, call: Reserve| answer(a.decide(|core, now, out| core.reserve(&call, now, out))))
        .on(move |_, call: ReleaseReservation| {
            answer(b.decide(|core, now, out| core.release(&call, now, out)))
        })
        .on(move |_, call: StartShard| answer(c.decide(|core, now, out| core.start(call, now, out))))
        .on(move |_, call: StopShards| stop(d.clone(), call))
        .on(move |_, call: AdoptJob| answer(e.decide(|core, now, out| core.adopt(&call, now, out))))
        .on(move |_, call: ForgetJob| answer(f.decide(|core, now, out| core.forget(&call, now, out))))
        .on(move |_, call: ReadShardLog| {
            let shell = g.clone();
            async move { shell.read_log(call).await }
        })
        .on(move |_, _: DescribeWorker| {
            let report = described.report();
            async move { Ok(report) }
        })
        .on(move |_, call: DrainWorker| {
            let worker = drained.clone();
            async move {
                worker.set_draining(call.draining).await;
                Ok(worker.report())
            }
        })
        .build()
}

async fn answer<T>(reply: Result<T, RpcError>) -> Result<T, RpcError> {
    count_fenced(reply)
}

/// Every refusal of an older token is counted: it shows that fencing has work.
fn count_fenced<T>(reply: Result<T, RpcError>) -> Result<T, RpcError> {
    if let Err(RpcError::Fenced { .. }) = reply {
        metrics::counter!("muster_fenced_total", "at" => "worker").increment(1);
    }
    reply
}

async fn stop(shell: Arc<Shell>, call: StopShards) -> Result<StopReply, RpcError> {
    let mut ended = shell.ended.subscribe();
    let first = count_fenced(shell.decide(|core, now, out| core.stop(&call, now, out)))?;
    let all_stopped = async {
        let mut reply = first;
        while !reply.stopping.is_empty() {
            let _still_there = ended.changed().await;
            reply = shell.engine().core.stop_reply(&call);
        }
    };
    let _late = tokio::time::timeout(STOP_ANSWER, all_stopped).await;
    let reply = shell.engine().core.stop_reply(&call);
    Ok(reply)
}

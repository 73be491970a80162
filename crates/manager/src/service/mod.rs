//! The remote calls that managers serve, for gates and for workers.

mod at_leader;
pub(crate) mod cancel;
pub(crate) mod context;
mod describe;
pub(crate) mod explain;
mod leader;
pub(crate) mod logs;
mod report;
mod submit;
pub(crate) mod workers;

use std::future::Future;
use std::sync::Arc;

use muster_link::{RouterBuilder, Service, router};
use muster_wire::hello::Hello;
use muster_wire::rpc::manager::{
    CancelJob, ChangeContext, DescribeDatacenter, ExplainJob, ListWorkers, ReadContext, ReadJobLog,
    ReadStats, SetWorkerDraining, SubmitJob,
};
use muster_wire::rpc::worker::{CoresFree, FindJobLeader, ReportShardProgress, ReportShardResult};
use muster_wire::rpc::{Call, RpcError};

use crate::shared::Shared;

pub(crate) use submit::{Accepted, Direct, Submission, submit_directly};

/// Calls 50–79 and 130–159.
pub(crate) fn service(shared: &Arc<Shared>) -> Arc<dyn Service> {
    let calls = router();
    let calls = on::<SubmitJob, _, _>(calls, shared, submit::submit);
    let calls = on::<CancelJob, _, _>(calls, shared, cancel::cancel);
    let calls = on::<DescribeDatacenter, _, _>(calls, shared, describe::describe);
    let calls = on::<ReadJobLog, _, _>(calls, shared, logs::read);
    let calls = on::<ReadContext, _, _>(calls, shared, context::read);
    let calls = on::<ChangeContext, _, _>(calls, shared, context::change);
    let calls = on::<ReadStats, _, _>(calls, shared, explain::stats);
    let calls = on::<ExplainJob, _, _>(calls, shared, explain::explain);
    let calls = on::<ListWorkers, _, _>(calls, shared, workers::list);
    let calls = on::<SetWorkerDraining, _, _>(calls, shared, workers::set_draining);
    let calls = on::<ReportShardProgress, _, _>(calls, shared, report::progress);
    let calls = on::<ReportShardResult, _, _>(calls, shared, report::result);
    let calls = on::<CoresFree, _, _>(calls, shared, report::room);
    on::<FindJobLeader, _, _>(calls, shared, leader::find).build()
}

fn on<C, F, Fut>(calls: RouterBuilder, shared: &Arc<Shared>, handler: F) -> RouterBuilder
where
    C: Call,
    F: Fn(Arc<Shared>, C) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<C::Reply, RpcError>> + Send + 'static,
{
    let shared = shared.clone();
    calls.on::<C, _, _>(move |peer: Arc<Hello>, call: C| {
        shared.gates.note(&peer);
        handler(shared.clone(), call)
    })
}

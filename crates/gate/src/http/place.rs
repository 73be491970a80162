//! Which datacenter's part of a job is meant.

use muster_link::CallError;
use muster_node::http::{Answer, Problem};
use muster_wire::rpc::{Call, RpcError};

use crate::ask::{Asked, ask_datacenter};
use crate::gate::Gate;
use crate::machine::GateJob;

/// The named target, else the first that was handed the job.
pub(super) fn datacenter(job: &GateJob, wanted: Option<&str>) -> Answer<String> {
    let mut targets = job.targets.primaries.iter();
    let found = match wanted {
        Some(wanted) => targets.find(|name| *name == wanted),
        None => targets.find(|name| job.dc(name).is_some_and(|dc| dc.was_leased())),
    };
    let missing = || match wanted {
        Some(wanted) => {
            Problem::not_found("unknown_datacenter", format!("the job does not run in `{wanted}`"))
        }
        None => Problem::unavailable("no_datacenter", "no datacenter was handed the job yet; ask again"),
    };
    found.cloned().ok_or_else(missing)
}

/// Asks the job's part there. `Ok(None)`: its managers have purged it.
pub(super) async fn ask<C: Call>(gate: &Gate, about: (&GateJob, &str), call: &C) -> Answer<Option<C::Reply>> {
    match ask_datacenter(gate, about, call).await {
        Asked::Reply(reply) => Ok(Some(reply)),
        Asked::Said(RpcError::Gone { .. }) => Ok(None),
        Asked::Said(error) => Err(said(about.1, &error)),
        Asked::Silence => Err(silent(about.1)),
    }
}

fn said(dc: &str, error: &RpcError) -> Problem {
    match error {
        RpcError::UnknownJob => {
            Problem::unavailable("no_datacenter", format!("{dc} does not know the job yet; ask again"))
        }
        error => Problem::conflict("refused", format!("{dc}: {error}")),
    }
}

fn silent(dc: &str) -> Problem {
    Problem::unavailable("no_datacenter", format!("{dc} does not answer; ask again"))
}

/// Asks any manager of a datacenter something that is not about a job.
pub(super) async fn ask_any<C: Call>(gate: &Gate, dc: &str, call: &C) -> Answer<C::Reply> {
    for addr in gate.datacenters.managers(dc) {
        match gate.links.call(&addr, call, gate.config.request_timeout / 2).await {
            Ok(reply) => return Ok(reply),
            Err(CallError::Rpc(RpcError::Refused { why })) => {
                return Err(Problem::not_found("unknown_worker", why));
            }
            Err(error) => tracing::debug!(%error, addr, "a manager did not answer"),
        }
    }
    Err(silent(dc))
}

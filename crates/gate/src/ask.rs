//! Asks a datacenter something about a job: any of its managers will do, the job's own is asked first.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use muster_link::CallError;
use muster_wire::rpc::{Call, RpcError};

use crate::gate::Gate;
use crate::machine::GateJob;

/// Longest wait for one manager.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);
/// A manager that has vanished does not answer, and is known as dead a few seconds later only.
const BESIDE_AFTER: Duration = Duration::from_millis(500);

/// What a datacenter said.
#[derive(Debug)]
pub enum Asked<T> {
    /// It answered.
    Reply(T),
    /// It refused, in its own words: asking another of its managers would change nothing.
    Said(RpcError),
    /// Nobody answered. This is not a refusal.
    Silence,
}

/// Asks the job's manager, then the others, until one has something to say.
pub async fn ask_datacenter<C: Call>(gate: &Gate, about: (&GateJob, &str), call: &C) -> Asked<C::Reply> {
    if gate.datacenters.is_silent(about.1) {
        return Asked::Silence;
    }
    let ask = |addr: String| async move { heard(gate.links.call(&addr, call, CALL_TIMEOUT).await) };
    first_word(addresses(gate, about), ask).await
}

/// One after the other is asked, the last of them first. What is asked may be asked twice, so one that takes long has the
/// next one asked beside it.
async fn first_word<T, F>(mut addrs: Vec<String>, ask: impl Fn(String) -> F) -> Asked<T>
where
    F: Future<Output = Result<Asked<T>, CallError>>,
{
    let (mut tried, mut under_way) = (Vec::new(), FuturesUnordered::new());
    loop {
        if let Some(addr) = addrs.pop() {
            tried.push(addr.clone());
            under_way.push(ask(addr));
        }
        match tokio::time::timeout(BESIDE_AFTER, under_way.next()).await {
            Ok(Some(Ok(asked))) => return asked,
            Ok(Some(Err(error))) => addrs.extend(hint(error, &tried)),
            Ok(None) => return Asked::Silence,
            Err(_still_asked) => {}
        }
        addrs.retain(|next| !tried.contains(next));
    }
}

/// The datacenter's word; `Err`: this manager has none.
fn heard<T>(answer: Result<T, CallError>) -> Result<Asked<T>, CallError> {
    match answer {
        Ok(reply) => Ok(Asked::Reply(reply)),
        Err(CallError::Rpc(error)) if is_said(&error) => Ok(Asked::Said(error)),
        Err(error) => Err(error),
    }
}

/// In the order of asking, last first.
fn addresses(gate: &Gate, (job, dc): (&GateJob, &str)) -> Vec<String> {
    let own = job.dc(dc).and_then(|dc| dc.manager.as_ref()).map(|manager| manager.node.addr.clone());
    let mut addrs = gate.datacenters.managers_for(dc, job.job);
    addrs.reverse();
    addrs.extend(own.filter(|addr| !addr.is_empty()));
    addrs
}

/// Is this the datacenter's word, not one manager's trouble?
const fn is_said(error: &RpcError) -> bool {
    matches!(
        error,
        RpcError::Refused { .. } | RpcError::Gone { .. } | RpcError::Fenced { .. } | RpcError::UnknownJob
    )
}

/// Who was named instead, unless already asked.
fn hint(error: CallError, tried: &[String]) -> Option<String> {
    let CallError::Rpc(RpcError::NotLeader { leader: Some(leader) }) = error else { return None };
    (!tried.contains(&leader.addr)).then_some(leader.addr)
}

#[cfg(test)]
#[path = "ask_test.rs"]
mod ask_test;

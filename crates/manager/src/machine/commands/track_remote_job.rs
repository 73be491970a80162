//! `track_remote_job`: who leads this job at the gates, or in a sibling datacenter.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::{NodeRef, Token};
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::remote::Remote;
use crate::machine::state::ManagerJob;
use crate::machine::table::check_leap;

/// Where the leader is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackScope {
    /// At the gates: results go there, and older gates are fenced.
    Gate,
    /// In the datacenter of this name.
    Datacenter(String),
}

/// Notes a newer leader elsewhere. Refused: not newer than the one known for the scope (`Stale`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TrackRemoteJob {
    /// Where.
    pub scope: TrackScope,
    /// Who.
    pub leader: NodeRef,
    /// Its token for the job.
    pub remote_token: Token,
    /// The token of this datacenter's lease.
    pub dc_token: Token,
}

impl Apply<ManagerJob> for TrackRemoteJob {
    fn apply(self, state: &mut ManagerJob, _: Stamp) -> Outcome {
        outcome(self.track(state))
    }
}

impl TrackRemoteJob {
    fn track(self, state: &mut ManagerJob) -> Result<Outcome, Reason> {
        let record = state.record_mut()?;
        let known = match &self.scope {
            TrackScope::Gate => record.gate.clone(),
            TrackScope::Datacenter(name) => record.siblings.get(name).cloned(),
        };
        let newer = Remote { leader: self.leader, remote_token: self.remote_token, dc_token: self.dc_token };
        if known.as_ref() == Some(&newer) {
            return Ok(Outcome::same());
        }
        check(known.as_ref(), &newer)?;
        match self.scope {
            TrackScope::Gate => record.gate = Some(newer),
            TrackScope::Datacenter(name) => drop(record.siblings.insert(name, newer)),
        }
        Ok(Outcome::done())
    }
}

fn check(known: Option<&Remote>, newer: &Remote) -> Result<(), Reason> {
    let rank = known.map_or((Token(0), Token(0)), Remote::rank);
    check_leap(rank.0, newer.remote_token)?;
    ensure(newer.rank() > rank, || Reason::Stale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, node, track_gate};

    #[test]
    fn results_go_to_the_gate_with_the_highest_tokens() {
        let mut world = World::created();
        world.applied(&track_gate(3, 1));
        world.applied(&track_gate(3, 2));
        world.refused(&track_gate(2, 9), "stale");
        assert_eq!(world.record().gate.as_ref().map(Remote::rank), Some((Token(3), Token(2))));
    }

    #[test]
    fn another_gate_under_a_known_token_is_stale() {
        let mut world = World::created();
        world.applied(&track_gate(3, 1));
        world.refused(&TrackRemoteJob { leader: node(77), ..track_gate(3, 1) }, "stale");
    }

    #[test]
    fn siblings_are_known_beside_the_gate() {
        let mut world = World::created();
        world.applied(&TrackRemoteJob { scope: TrackScope::Datacenter("b".into()), ..track_gate(1, 1) });
        assert!(world.record().gate.is_none() && world.record().siblings.contains_key("b"));
    }
}

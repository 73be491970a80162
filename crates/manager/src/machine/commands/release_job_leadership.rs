//! `release_job_leadership`: nobody leads, or only the successor may for some seconds.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::NodeRef;
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::state::{Hold, ManagerJob};

/// Gives the leadership up; the last token is kept. Refused: another leads (`Conflict`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReleaseJobLeadership {
    /// Who gives it up.
    pub node: NodeRef,
    /// Who alone may take it for 5 s.
    pub successor: Option<NodeRef>,
}

impl Apply<ManagerJob> for ReleaseJobLeadership {
    fn apply(self, state: &mut ManagerJob, stamp: Stamp) -> Outcome {
        outcome(self.release(state, stamp))
    }
}

impl ReleaseJobLeadership {
    fn release(self, state: &mut ManagerJob, stamp: Stamp) -> Result<Outcome, Reason> {
        let Some(leader) = &state.leader else { return Ok(Outcome::same()) };
        ensure(*leader == self.node, || Reason::Conflict { version: state.token.0 })?;
        state.leader = None;
        state.hold = self.successor.map(|successor| Hold::new(successor, stamp.at_ms));
        Ok(Outcome::done())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, assume, node, release};
    use muster_machine::{Entry, Machine as _};
    use muster_wire::Token;

    #[test]
    fn the_last_token_is_kept() {
        let mut world = World::led();
        world.applied(&release(None));
        assert_eq!((world.state().leader(), world.state().token), (None, Token(1)));
    }

    #[test]
    fn a_planned_hand_over_leaves_the_job_to_the_successor_and_to_no_other() {
        let mut world = World::led();
        let entry = || Entry::new(world.state().job(), world.state().token, 0);
        assert_eq!(world.state().release(&node(3), &node(2), entry()), None, "another acts for the job");
        let entry = world.state().release(&node(1), &node(2), entry()).unwrap();
        assert_eq!(world.propose(&entry).undone_by, None);
        world.refused(&assume(3), "not_yet");
        world.applied(&assume(2));
    }

    #[test]
    fn only_the_leader_releases() {
        let other = ReleaseJobLeadership { node: node(2), successor: None };
        World::led().refused(&other, "conflict");
    }
}

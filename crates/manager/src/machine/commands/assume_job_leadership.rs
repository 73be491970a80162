//! `assume_job_leadership`: the first leader, or the next after a release.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::NodeRef;
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::state::ManagerJob;

/// Makes a node the job's leader; the token rises by one and is the reply. Refused: another leads, or the entry carries
/// another token than the one produced (`Conflict`); a successor is named and it is another (`NotYet`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AssumeJobLeadership {
    /// Who.
    pub node: NodeRef,
}

impl Apply<ManagerJob> for AssumeJobLeadership {
    fn apply(self, state: &mut ManagerJob, stamp: Stamp) -> Outcome {
        outcome(self.assume(state, stamp))
    }
}

impl AssumeJobLeadership {
    fn assume(self, state: &mut ManagerJob, stamp: Stamp) -> Result<Outcome, Reason> {
        if state.leader.as_ref() == Some(&self.node) {
            return Ok(Outcome::noop(&state.token));
        }
        ensure(state.leader.is_none(), || Reason::Conflict { version: state.token.0 })?;
        state.check_hold(&self.node, stamp.at_ms)?;
        let token = state.next_token(stamp.token)?;
        state.lead(self.node, token);
        Ok(Outcome::applied(&token))
    }
}

#[cfg(test)]
mod tests {
    use crate::machine::world::{World, assume, release};
    use muster_wire::Token;

    #[test]
    fn the_first_leader_gets_token_one() {
        assert_eq!(World::created().applied(&assume(1)), Some(Token(1)));
    }

    #[test]
    fn a_second_node_cannot_assume() {
        let mut world = World::led();
        world.refused(&assume(2), "conflict");
        assert_eq!(world.same(&assume(1)), Some(Token(1)));
    }

    #[test]
    fn tokens_go_on_after_a_release() {
        let mut world = World::led();
        world.applied(&release(None));
        assert_eq!(world.applied(&assume(2)), Some(Token(2)));
    }
}

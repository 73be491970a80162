//! `takeover_job_leadership`: another node, or a new process of the same one, leads from here on.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::{NodeRef, Token};
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::state::ManagerJob;

/// Takes the leadership over; attempts stay. The reply is the new token. Refused: another token than expected
/// (`Conflict`); a successor is named and it is another (`NotYet`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TakeoverJobLeadership {
    /// Who.
    pub node: NodeRef,
    /// The token that it has seen.
    pub expected_token: Token,
}

impl Apply<ManagerJob> for TakeoverJobLeadership {
    fn apply(self, state: &mut ManagerJob, stamp: Stamp) -> Outcome {
        outcome(self.take(state, stamp))
    }
}

impl TakeoverJobLeadership {
    fn take(self, state: &mut ManagerJob, stamp: Stamp) -> Result<Outcome, Reason> {
        if self.is_repeat(state) {
            return Ok(Outcome::noop(&state.token));
        }
        let expected = self.expected_token == state.token;
        ensure(expected, || Reason::Conflict { version: state.token.0 })?;
        state.check_hold(&self.node, stamp.at_ms)?;
        let token = state.next_token(stamp.token)?;
        state.lead(self.node, token);
        Ok(Outcome::applied(&token))
    }

    fn is_repeat(&self, state: &ManagerJob) -> bool {
        let leads = state.leader.as_ref() == Some(&self.node);
        leads & (self.expected_token.next() == state.token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, new_generation, release, takeover};

    #[test]
    fn a_takeover_raises_the_token_and_keeps_the_attempts() {
        let mut world = World::started();
        assert_eq!(world.applied(&takeover(2, 1)), Some(Token(2)));
        assert!(world.workflow(0).is_busy());
    }

    #[test]
    fn a_new_process_of_the_same_node_is_another_leader() {
        let mut world = World::led();
        let again = TakeoverJobLeadership { node: new_generation(1), ..takeover(1, 1) };
        assert_eq!(world.applied(&again), Some(Token(2)));
    }

    #[test]
    fn of_two_takeovers_with_one_expected_token_one_wins() {
        let mut world = World::led();
        world.applied(&takeover(2, 1));
        world.refused(&takeover(3, 1), "conflict");
        assert_eq!(world.same(&takeover(2, 1)), Some(Token(2)));
    }

    #[test]
    fn only_the_successor_takes_over_for_a_while() {
        let mut world = World::led();
        world.applied(&release(Some(2)));
        world.refused(&takeover(3, 1), "not_yet");
        world.pass(crate::machine::limits::SUCCESSOR_HOLD_MS);
        world.applied(&takeover(3, 1));
    }
}

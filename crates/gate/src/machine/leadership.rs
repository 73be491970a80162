//! Who acts for a job at the gates. Every change of leader raises the token.

use muster_machine::Stamp;
use muster_wire::{NodeRef, Token};
use serde::{Deserialize, Serialize};

use super::event::What;
use super::state::GateJob;

/// The furthest that a token may jump ahead of the known one.
pub(crate) const TOKEN_REACH: u64 = 1 << 20;

/// The job's leader and token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Leadership {
    /// Who acts; nobody before the first `assume` and after a release.
    pub leader: Option<NodeRef>,
    /// The leader's process is gone: its address is no use any more.
    pub leader_is_gone: bool,
    /// The last token given; 0 before the first.
    pub token: Token,
    /// The next token is above this.
    pub floor: Token,
    /// Who is meant to claim after a release.
    pub successor: Option<NodeRef>,
}

impl Leadership {
    /// The token that the next leader gets.
    pub fn next_token(&self) -> Token {
        self.token.max(self.floor).next()
    }

    /// Is `node`, this very process, the leader?
    pub fn is_led_by(&self, node: &NodeRef) -> bool {
        self.leader.as_ref() == Some(node)
    }
}

impl GateJob {
    /// Makes `node` the leader under the next token. Leases of older tokens are void.
    pub(super) fn install_leader(&mut self, node: NodeRef, stamp: Stamp) -> Token {
        let token = self.leadership.next_token();
        let floor = self.leadership.floor;
        let what = What::Leader { name: node.name.clone(), token };
        self.leadership =
            Leadership { leader: Some(node), leader_is_gone: false, token, floor, successor: None };
        self.clear_leases();
        self.note(what, stamp);
        token
    }

    fn clear_leases(&mut self) {
        let held: Vec<String> =
            self.dcs.iter().filter(|(_, dc)| dc.lease.is_some()).map(|(name, _)| name.clone()).collect();
        for name in held {
            self.dcs.entry(name).or_default().lease = None;
        }
    }
}

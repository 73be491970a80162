//! Fencing: a command carries the token under which its proposer acts, and whoever was replaced is refused by it.

use std::cmp::Ordering;

use muster_wire::Token;

use crate::Reason;

/// Is `carried` the token that the state knows? An older one was given to somebody who was replaced since.
pub fn check(known: Token, carried: Token) -> Result<(), Reason> {
    match carried.cmp(&known) {
        Ordering::Less => Err(Reason::Fenced { by: known }),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(Reason::Conflict { version: known.0 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_that_is_known_passes() {
        let known = Token(7);
        assert_eq!(check(known, Token(7)), Ok(()));
        assert_eq!(check(known, Token(6)), Err(Reason::Fenced { by: known }));
        assert_eq!(check(known, Token(8)), Err(Reason::Conflict { version: 7 }));
    }
}

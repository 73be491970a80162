//! Attempts that have processes, and results that are owed: what the records are changes of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::records::{At, Begun, Owed};

/// All that is kept at a moment.
#[derive(Clone, Default, PartialEq, Debug)]
pub(crate) struct Kept {
    /// Attempts whose processes may run.
    pub(crate) begun: BTreeMap<At, Begun>,
    /// Results that are not acknowledged.
    pub(crate) owed: BTreeMap<At, Owed>,
}

/// One change of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) enum Change {
    Begun(Begun),
    Ended(At),
    Owed(Box<Owed>),
    Acknowledged(At),
}

impl Kept {
    /// False when nothing changes.
    pub(super) fn apply(&mut self, change: Change) -> bool {
        match change {
            Change::Begun(begun) => {
                self.begun.insert(begun.at(), begun);
                true
            }
            Change::Ended(at) => self.begun.remove(&at).is_some(),
            Change::Owed(owed) => {
                self.owed.insert(owed.at(), *owed);
                true
            }
            Change::Acknowledged(at) => self.owed.remove(&at).is_some(),
        }
    }

    /// The changes that make it.
    pub(super) fn changes(&self) -> impl Iterator<Item = Change> {
        let begun = self.begun.values().cloned().map(Change::Begun);
        begun.chain(self.owed.values().cloned().map(Box::new).map(Change::Owed))
    }
}

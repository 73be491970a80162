//! The log of one group.
use crate::*;
/// The one handle that may change a group's log.
pub struct GroupLog;
#[allow(missing_docs, unused_variables, reason = "shape only")]
impl GroupLog {
    pub fn key(&self) -> GroupKey { GroupKey { group: 0, incarnation: 0 } }
    pub fn append(&self, entries: Vec<Entry>, done: Done) -> Result<(), WalError> { Err(WalError::Closed) }
    pub fn save_vote(&self, vote: Vote, done: Done) -> Result<(), WalError> { Err(WalError::Closed) }
    pub fn truncate_after(&self, last: Option<u64>, done: Done) -> Result<(), WalError> { Err(WalError::Closed) }
    pub fn purge(&self, upto: LogId) -> Result<(), WalError> { Err(WalError::Closed) }
    pub fn save_committed(&self, committed: LogId) -> Result<(), WalError> { Err(WalError::Closed) }
    pub fn reader(&self) -> LogReader { LogReader }
}

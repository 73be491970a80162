//! The log of a node.
use crate::*;
use std::path::Path;
/// The node's log; clones share it.
#[derive(Clone)]
pub struct Wal;
#[allow(missing_docs, unused_variables, reason = "shape only")]
impl Wal {
    pub fn open(dir: &Path, options: Options) -> Result<Wal, OpenError> { Err(OpenError::Locked) }
    pub fn groups(&self) -> Vec<GroupKey> { vec![] }
    pub fn open_group(&self, key: GroupKey) -> Result<GroupLog, GroupError> { Err(WalError::Closed.into()) }
    pub fn is_known(&self, key: GroupKey) -> bool { false }
    pub fn seed(&self, key: GroupKey, vote: Vote, entries: Vec<Entry>, done: Done) -> Result<(), WalError> { Err(WalError::Closed) }
    pub fn remove_group(&self, key: GroupKey, done: Done) -> Result<(), WalError> { Err(WalError::Closed) }
    pub fn failed(&self) -> Option<WalError> { None }
    pub fn on_failure(&self, f: Box<dyn FnOnce(WalError) + Send>) {}
    pub fn stats(&self) -> Stats { Stats::default() }
    pub fn close(self) -> Result<(), WalError> { Err(WalError::Closed) }
}

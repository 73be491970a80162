//! Reading one group's log.
use crate::*;
use std::ops::Range;
/// A live view of one group's log; clones see the same.
#[derive(Clone)]
pub struct LogReader;
#[allow(missing_docs, unused_variables, reason = "shape only")]
impl LogReader {
    pub fn vote(&self) -> Option<Vote> { None }
    pub fn committed(&self) -> Option<LogId> { None }
    pub fn purged(&self) -> Option<LogId> { None }
    pub fn last(&self) -> Option<LogId> { None }
    pub fn entries(&self, range: Range<u64>, bytes_max: usize) -> Vec<Entry> { vec![] }
    pub fn first_index(&self) -> Option<u64> { None }
    pub fn log_ids_at_term_changes(&self) -> Vec<LogId> { vec![] }
}

//! A small machine and whole clusters in one process, for tests.

pub(crate) mod cluster;
pub(crate) mod ledger;

//! Runs jobs in one datacenter.

pub mod machine;

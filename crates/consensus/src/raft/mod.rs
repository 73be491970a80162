//! One group: openraft over the node's write-ahead log, links and snapshot files.

pub(crate) mod birth;
pub(crate) mod convert;
pub(crate) mod elect;
pub(crate) mod forward;
pub(crate) mod group;
pub(crate) mod incoming;
pub(crate) mod machine;
pub(crate) mod members;
pub(crate) mod network;
pub(crate) mod opening;
mod outgoing;
pub(crate) mod pace;
pub(crate) mod pipeline;
pub(crate) mod read;
mod runtime;
pub(crate) mod settings;
pub(crate) mod snapshot;
pub(crate) mod store;
pub(crate) mod types;
pub(crate) mod write;

#[cfg(test)]
mod read_test;
#[cfg(test)]
mod store_test;

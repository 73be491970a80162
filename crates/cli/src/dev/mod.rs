//! A whole cluster in one process: the same nodes, links, files and sockets as separate processes, on loopback.

mod layout;
mod nodes;
mod ports;

pub(crate) use layout::Layout;
pub(crate) use nodes::Nodes;

//! Framed TCP links between nodes: handshake, calls with correlation ids, bounded serving, evidence of loss.
//!
//! ```text
//!   Links ─┬─ peers ── one slot per address ──┬─ dial ── resolve, connect, handshake
//!          │                      (outbound)  ├─ connection ── calls in flight of one outgoing link
//!          │                                  └─ keep ── redial with back-off, pings, events
//!          └─ accept ── handshake ── serve ── one task per request, bounded ──▶ Service (router)
//!   pipe ── the reader and the writer task of one socket
//! ```
//!
//! Requests of this node travel on the links that it dialled; requests of a peer on those that the peer dialled.
//! Links know nodes and methods by number; they know neither jobs nor Raft.

mod accept;
mod book;
pub mod config;
mod connection;
mod dial;
pub mod error;
pub mod event;
pub mod gatekeeper;
mod handshake;
mod keep;
mod links;
mod outbound;
mod peers;
mod pipe;
pub mod router;
mod serve;
pub mod service;

pub use config::LinkConfig;
pub use error::CallError;
pub use event::{DownCause, LinkEvent};
pub use gatekeeper::Gatekeeper;
pub use links::{LinkParts, Links};
pub use router::{RouterBuilder, router};
pub use service::Service;

#[cfg(test)]
mod links_test;
#[cfg(test)]
mod testkit;

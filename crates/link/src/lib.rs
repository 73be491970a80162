//! Framed TCP links between nodes: handshake, calls with correlation ids, bounded serving, evidence of loss.

pub mod config;
pub mod error;
pub mod event;
pub mod gatekeeper;
mod links;
pub mod router;
pub mod service;

pub use config::LinkConfig;
pub use error::CallError;
pub use event::{DownCause, LinkEvent};
pub use gatekeeper::Gatekeeper;
pub use links::{LinkParts, Links};
pub use router::{RouterBuilder, router};
pub use service::Service;

//! The HTTP server kit: every node's server, its layers and its errors.
//!
//! ```text
//!   Server ── accepts, bounded ──▶ layers ── counted, deadline, role, body limit, errors as problem documents ──▶ routes
//! ```

mod access;
mod context;
mod layers;
mod page;
mod problem;
mod server;

pub use access::{Access, AccessRole, AccessToken, Caller};
pub use context::{change_id, context_written, expected_version};
pub use layers::{KeepText, Layers, layered};
pub use page::PageQuery;
pub use problem::{Answer, Problem};
pub use server::{Server, ServerBounds, ServerParts};

#[cfg(test)]
mod http_test;

//! What muster's processes say to each other: ids, the codec, frames, the handshake and the messages of every
//! remote call. No tokio, no files.
//!
//! ```text
//!   ids ─┬─ spec ── the validated job
//!        ├─ codec ── bounded MessagePack of our own structs
//!        ├─ frame ── [magic version kind][length][crc][correlation][payload]
//!        ├─ hello ── who is at the other end of a link
//!        └─ rpc/* ── one struct per remote call, in a table of methods
//! ```

pub mod api;
pub mod codec;
pub mod frame;
pub mod hello;
pub mod ids;
pub mod job;
pub mod node;
pub mod rpc;
pub mod spec;
pub mod stats;

pub use codec::{CodecError, decode, encode};
pub use ids::{
    Attempt, ClusterId, DispatchToken, Generation, GroupId, Incarnation, JobId, MemberNumber, NodeId, RaftId,
    RequestId, Shard, Token, WorkflowIx,
};
pub use node::{NodeRef, Role};

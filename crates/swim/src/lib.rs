//! Who is there: a SWIM failure detector. A pure core (packets and time in, packets and events out) and a UDP shell.
//!
//! ```text
//!   Swim (handle) ──┐                         ┌─ probe ── ping, indirect ping, suspicion
//!   driver (UDP) ───┴─ core::Core::on(input) ─┼─ table ── (generation, incarnation, state), events
//!     │                    │                  ├─ gossip ─ piggyback and gossip rounds
//!     └─ resolve, events ◄─┘ effects          └─ join ─── seeds, push/pull sync, healing, leaving
//! ```
//!
//! It knows nodes, not jobs and not Raft. What it says is evidence: consumers key every decision by
//! (node id, generation).

pub mod config;
pub mod core;
mod driver;
mod events;
pub mod model;
pub mod packet;
mod resolve;
mod swim;

pub use config::{Config, Profile, SwimError, Tuning};
pub use events::Events;
pub use model::{Event, Evidence, LeaveReason, Member, Meta, State};
pub use swim::Swim;

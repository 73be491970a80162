//! Who is there: a SWIM failure detector with Lifeguard. A pure core (packets and time in, packets and events out) and
//! a UDP and TCP shell.
//!
//! ```text
//!   Swim (handle) ──┐                         ┌─ probe, relay ── ping, indirect ping, nack, TCP ping
//!   driver (UDP) ───┤                         ├─ suspicion ───── confirmations, chase pings, mass suspicion
//!   streams (TCP) ──┴─ core::Core::on(input) ─┼─ table, news ─── (generation, incarnation, state), events
//!     │                    │                  ├─ gossip ──────── piggyback and gossip rounds
//!     │                    │                  ├─ health ──────── local health multiplier
//!     └─ frame, gate ◄─────┘ effects          └─ join, sync ──── seeds, digests, healing, leaving
//! ```
//!
//! It knows nodes, not jobs and not Raft. What it says is evidence: consumers key every decision by
//! (node id, generation).

pub mod body;
pub mod config;
pub mod core;
mod driver;
mod engine;
mod events;
pub mod frame;
mod gate;
pub mod model;
mod resolve;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod streams;
mod swim;
pub mod tuning;

pub use config::{Config, SwimError};
pub use events::{Events, Filter};
pub use frame::{KeyRing, KeyRingError};
pub use model::{Event, Evidence, LeaveReason, Member, Meta, State};
pub use swim::Swim;
pub use tuning::{Profile, Tuning};

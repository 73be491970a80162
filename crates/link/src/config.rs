//! The bounds and deadlines of links.

use std::time::Duration;

/// Bounds and deadlines of all links of a node.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// Calls waiting for an answer from one peer; more are [`crate::CallError::Busy`]. Control calls (methods below
    /// [`CONTROL_METHODS_END`]) may use twice as many, so that they pass when the others are full.
    pub in_flight_per_peer: usize,
    /// Requests served at the same time by this node; more are answered `Busy`. Control calls have as many of their own.
    pub served_in_flight: usize,
    /// Bytes waiting to be written to one peer; more are [`crate::CallError::Busy`].
    pub queue_bytes_max: usize,
    /// Incoming links open at the same time; more are closed at once.
    pub inbound_max: usize,
    /// Addresses remembered; calls to a further one are [`crate::CallError::Busy`] until unused ones are forgotten.
    pub peers_max: usize,
    /// Nodes remembered by [`crate::Links::addr_of`]; the one heard of least recently makes room.
    pub known_max: usize,
    /// Events kept for a subscriber that lags.
    pub events_max: usize,
    /// Resolving and connecting.
    pub connect_timeout: Duration,
    /// `Hello` and `Welcome`.
    pub handshake_timeout: Duration,
    /// One write to a socket, and handing a reply to the writer.
    pub write_timeout: Duration,
    /// An outgoing link that nobody keeps is closed after this without a call.
    pub idle_close: Duration,
    /// An incoming link is closed after this without a frame.
    pub inbound_silence: Duration,
    /// Kept links without traffic are pinged this often.
    pub ping_every: Duration,
    /// Pings without any answer after which a kept link is down.
    pub pings_lost_max: u32,
    /// First delay between two dials of a kept link.
    pub redial_first: Duration,
    /// Longest delay between two dials of a kept link.
    pub redial_most: Duration,
    /// A call within this time after a failed dial gets the same error without another dial.
    pub redial_pause: Duration,
}

/// Methods below this number are control calls: founding, membership, Raft.
pub const CONTROL_METHODS_END: u32 = 50;

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            in_flight_per_peer: 1024,
            served_in_flight: 8192,
            queue_bytes_max: 64 * 1024 * 1024,
            inbound_max: 4096,
            peers_max: 8192,
            known_max: 16384,
            events_max: 1024,
            connect_timeout: Duration::from_secs(2),
            handshake_timeout: Duration::from_secs(2),
            write_timeout: Duration::from_secs(20),
            idle_close: Duration::from_secs(60),
            inbound_silence: Duration::from_secs(180),
            ping_every: Duration::from_secs(1),
            pings_lost_max: 3,
            redial_first: Duration::from_millis(50),
            redial_most: Duration::from_secs(1),
            redial_pause: Duration::from_millis(10),
        }
    }
}

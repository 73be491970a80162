//! Ports that stay free until a node binds them itself.

use std::net::{TcpListener, UdpSocket};

use muster_runtime::random;

/// Below the ports that systems give to outgoing connections: one of those may take a port that was free a moment ago.
const FIRST: u16 = 20_000;
/// How many ports there are to choose from.
const COUNT: u16 = 12_000;

/// Ports of this machine for both TCP and UDP, none of them twice.
pub(super) fn free() -> impl Iterator<Item = u16> {
    let start = random::below(u64::from(COUNT)) as u16;
    (0..COUNT).map(move |step| FIRST + (start + step) % COUNT).filter(|port| is_free(*port))
}

fn is_free(port: u16) -> bool {
    let addr = ("127.0.0.1", port);
    UdpSocket::bind(addr).is_ok() && TcpListener::bind(addr).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_not_given_and_none_is_given_twice() {
        let held: Vec<UdpSocket> =
            free().take(20).map(|port| UdpSocket::bind(("127.0.0.1", port)).unwrap()).collect();
        let taken = |port: u16| held.iter().any(|socket| socket.local_addr().unwrap().port() == port);
        assert!(!held.iter().any(|socket| is_free(socket.local_addr().unwrap().port())));
        assert!(free().take(5_000).all(|port| !taken(port)));
    }
}

//! Sockets and names: the system's. With the feature `sim`, which only the simulation turns on, those of a simulated
//! network; they have the same calls.

/// Is this a build for the simulation?
pub const IS_SIMULATED: bool = cfg!(feature = "sim");

#[cfg(not(feature = "sim"))]
pub use tokio::net::{TcpListener, TcpStream, UdpSocket, lookup_host, tcp};

#[cfg(feature = "sim")]
pub use turmoil::net::{TcpListener, TcpStream, UdpSocket, lookup_host, tcp};

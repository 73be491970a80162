//! Why a call has no reply. Variants say what the caller can do.

use muster_wire::CodecError;
use muster_wire::hello::HelloRefusal;
use muster_wire::rpc::RpcError;

/// Why a call has no reply.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum CallError {
    /// The peer refused the call; the error says what to do.
    #[error(transparent)]
    Rpc(RpcError),
    /// Nobody listens at the address: the process is gone. Nothing was sent.
    #[error("nobody listens there")]
    Refused,
    /// The address cannot be reached or resolved. Nothing was sent.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The link was lost while the call was under way: its outcome is unknown.
    #[error("the link was lost, the outcome is unknown")]
    Reset,
    /// No answer in time: the outcome is unknown.
    #[error("no answer in time, the outcome is unknown")]
    Timeout,
    /// One side refused the other. Nothing was sent; asking again is useless until one of them changes.
    #[error("handshake refused: {0}")]
    Handshake(HelloRefusal),
    /// Another node answers at this address. Nothing was sent.
    #[error("another node answers at this address")]
    NotThatNode,
    /// Too many calls or bytes are under way to this peer. Nothing was sent; ask again later.
    #[error("too many calls are under way to this peer")]
    Busy,
    /// The request does not fit a frame. Nothing was sent.
    #[error("the request is too large")]
    TooLarge,
    /// The request or the reply is not what it should be.
    #[error(transparent)]
    Codec(CodecError),
    /// This node is stopping.
    #[error("this node is stopping")]
    Stopping,
}

impl CallError {
    /// True if the peer may have carried out the call: repeat it only with the same request id.
    pub const fn is_outcome_unknown(&self) -> bool {
        matches!(
            self,
            Self::Reset
                | Self::Timeout
                | Self::Codec(_)
                | Self::Stopping
                | Self::Rpc(RpcError::Unknown { .. })
        )
    }

    /// The short stable word for logs and metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Rpc(_) => "rpc",
            Self::Refused => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Handshake(_) => "handshake",
            Self::NotThatNode => "not_that_node",
            Self::Busy => "busy",
            Self::TooLarge => "too_large",
            Self::Codec(_) => "codec",
            Self::Stopping => "stopping",
        }
    }
}

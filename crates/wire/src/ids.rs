//! Newtypes of every id and counter, so that two bare integers never meet in one signature.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind}")]
pub struct ParseIdError {
    /// What it should have been.
    pub kind: &'static str,
    /// What was given, cut to 64 characters.
    pub text: String,
}

fn parse_error(kind: &'static str, text: &str) -> ParseIdError {
    ParseIdError { kind, text: text.chars().take(64).collect() }
}

/// 128-bit ids: text (hex or UUID) for people, 16 bytes on the wire.
macro_rules! id128 {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $show:expr, $read:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let show: fn(u128) -> String = $show;
                f.write_str(&show(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let read: fn(&str) -> Option<u128> = $read;
                read(text).map(Self).ok_or_else(|| parse_error($kind, text))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match serializer.is_human_readable() {
                    true => serializer.collect_str(self),
                    false => serializer.serialize_bytes(&self.0.to_be_bytes()),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match deserializer.is_human_readable() {
                    true => String::deserialize(deserializer)?.parse().map_err(D::Error::custom),
                    false => {
                        let bytes = serde_bytes::ByteArray::<16>::deserialize(deserializer)?;
                        Ok(Self(u128::from_be_bytes(bytes.into_array())))
                    }
                }
            }
        }
    };
}

fn hex128(value: u128) -> String {
    format!("{value:032x}")
}

fn from_hex128(text: &str) -> Option<u128> {
    match text.len() {
        32 => u128::from_str_radix(text, 16).ok(),
        _ => None,
    }
}

fn uuid_text(value: u128) -> String {
    uuid::Uuid::from_u128(value).hyphenated().to_string()
}

fn from_uuid_text(text: &str) -> Option<u128> {
    uuid::Uuid::try_parse(text).ok().map(|id| id.as_u128())
}

id128!(
    /// A node's own id, made once and kept in its data directory. Shown as 32 hex digits.
    NodeId, "node id", hex128, from_hex128
);
id128!(
    /// The id that a cluster gets when it is founded. Shown as 32 hex digits.
    ClusterId, "cluster id", hex128, from_hex128
);
id128!(
    /// A job's id: a UUIDv7 made by the gate that accepted it, so ids sort by creation time.
    JobId, "job id", uuid_text, from_uuid_text
);
id128!(
    /// One client request. Starts with its issue time (UUIDv7), so that an answer window can tell "too old".
    RequestId, "request id", uuid_text, from_uuid_text
);

impl JobId {
    /// A UUIDv7 from a wall clock time and 80 random bits.
    pub fn new(unix_ms: u64, random: u128) -> Self {
        Self(uuid_v7(unix_ms, random))
    }
}

impl RequestId {
    /// No request: the entry of a reconciler, whose answer is not kept.
    pub const INTERNAL: Self = Self(0);

    /// A UUIDv7 from a wall clock time and 80 random bits.
    pub fn new(unix_ms: u64, random: u128) -> Self {
        Self(uuid_v7(unix_ms, random))
    }

    /// When the request was issued, in milliseconds since 1970.
    pub fn issued_at_ms(&self) -> u64 {
        u64::try_from(self.0 >> 80).unwrap_or(u64::MAX)
    }
}

fn uuid_v7(unix_ms: u64, random: u128) -> u128 {
    let random = random.to_be_bytes();
    let mut tail = [0_u8; 10];
    tail.copy_from_slice(&random[6..16]);
    uuid::Builder::from_unix_timestamp_millis(unix_ms, &tail).into_uuid().as_u128()
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl $name {
            /// The next value; stays at the maximum instead of wrapping.
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }
    };
}

counter!(
    /// One start of a node's process: persisted, always rising.
    Generation(u64)
);
counter!(
    /// A node's number in its cluster: 1..N at the founding, later ones given by the directory; never reused.
    MemberNumber(u32)
);
counter!(
    /// Counts how often a member was added to a group again; part of the Raft node id.
    Incarnation(u32)
);
counter!(
    /// A Raft group: the log index of `register_job` in the directory. 0 is the directory itself.
    GroupId(u64)
);
counter!(
    /// A job's fencing token at one tier: raised at each change of job leader. 0 means "not fenced".
    Token(u64)
);
counter!(
    /// A workflow of a job, by its position in the job's spec.
    WorkflowIx(u32)
);
counter!(
    /// One of a workflow's `replicas`, from 0.
    Shard(u32)
);
counter!(
    /// One try at a shard, from 1.
    Attempt(u32)
);

/// `token << 32 | n`: names one dispatch under one job leadership. This is `MUSTER_FENCE`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DispatchToken(pub u64);

impl DispatchToken {
    /// The `n`-th dispatch under `token`. The token's low 32 bits are used.
    pub const fn new(token: Token, n: u32) -> Self {
        Self((token.0 << 32) | n as u64)
    }

    /// The manager token in the high half.
    pub const fn token(self) -> Token {
        Token(self.0 >> 32)
    }
}

impl fmt::Display for DispatchToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A replica's id inside Raft: `member_number << 32 | incarnation`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RaftId(pub u64);

impl RaftId {
    /// The Raft id of a member's replica.
    pub const fn new(member: MemberNumber, incarnation: Incarnation) -> Self {
        Self(((member.0 as u64) << 32) | incarnation.0 as u64)
    }

    /// The member in the high half.
    pub const fn member(self) -> MemberNumber {
        MemberNumber((self.0 >> 32) as u32)
    }

    /// The replica incarnation in the low half.
    pub const fn incarnation(self) -> Incarnation {
        Incarnation((self.0 & 0xffff_ffff) as u32)
    }
}

impl fmt::Display for RaftId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.member(), self.incarnation())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_carries_its_issue_time() {
        let id = RequestId::new(1_795_000_000_123, 0xdead_beef);
        assert_eq!(id.issued_at_ms(), 1_795_000_000_123);
    }

    #[test]
    fn ids_are_text_for_people_and_sixteen_bytes_on_the_wire() {
        let id = JobId::new(1_795_000_000_123, 7);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<JobId>(&json).unwrap(), id);
        let bytes = crate::encode(&id).unwrap();
        assert_eq!(bytes.len(), 18);
        assert_eq!(crate::decode::<JobId>(&bytes).unwrap(), id);
    }

    #[test]
    fn a_raft_id_splits_into_member_and_incarnation() {
        let id = RaftId::new(MemberNumber(7), Incarnation(3));
        assert_eq!((id.member(), id.incarnation()), (MemberNumber(7), Incarnation(3)));
        assert_eq!(id.to_string(), "7.3");
    }
}

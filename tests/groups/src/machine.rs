//! The replicated state of a benched group: the last value of each key.

use bytes::Bytes;
use imbl::OrdMap;
use muster_machine::{Apply, Machine, Outcome, Retired, Stamp, Table, command_table};
use muster_wire::{CodecError, Token};
use serde::{Deserialize, Serialize};

/// Keys and their last values.
#[derive(Clone, Debug, Default)]
pub struct Values {
    values: OrdMap<u64, Bytes>,
    puts: u64,
}

impl Values {
    /// The last value of a key.
    pub fn get(&self, key: u64) -> Option<Bytes> {
        self.values.get(&key).cloned()
    }
}

/// Puts one value.
#[derive(Serialize, Deserialize)]
pub struct Put {
    /// Which key.
    pub key: u64,
    /// Its new value.
    pub value: Bytes,
}

impl Apply<Values> for Put {
    fn apply(self, values: &mut Values, _: Stamp) -> Outcome {
        values.values.insert(self.key, self.value);
        values.puts += 1;
        Outcome::applied(&values.puts)
    }
}

command_table! { Values:
    1 => Put, "put" -> u64 { guards: [] },
}

impl Machine for Values {
    const TIER: &'static str = "bench";

    fn table() -> &'static Table<Self> {
        &COMMANDS
    }

    fn token(&self) -> Token {
        Token(0)
    }

    fn next_due_ms(&self) -> Option<u64> {
        None
    }

    fn retired(&self) -> Option<Retired> {
        None
    }

    fn encode(&self) -> Result<Vec<u8>, CodecError> {
        muster_wire::encode(&(self.puts, self.values.iter().collect::<Vec<_>>()))
    }

    fn restore(bytes: &[u8]) -> Result<Self, CodecError> {
        let (puts, values): (u64, Vec<(u64, Bytes)>) = muster_wire::decode(bytes)?;
        Ok(Self { puts, values: values.into_iter().collect() })
    }
}

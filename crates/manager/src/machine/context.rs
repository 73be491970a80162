//! The job's replicated key/value store: ordered by the log, versioned.

use std::collections::BTreeMap;

use imbl::OrdMap;
use muster_machine::Reason;
use muster_wire::spec::{CONTEXT_BYTES_MAX, ContextValue};
use serde::{Deserialize, Serialize};

use super::limits::CONTEXT_KEY_BYTES_MAX;

/// New values by key; `None` deletes.
pub type Updates = BTreeMap<String, Option<ContextValue>>;

/// The values and their version.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Context {
    values: OrdMap<String, ContextValue>,
    version: u64,
    bytes: u64,
}

impl Context {
    /// The values that a job starts with, at version 0.
    pub fn new(values: &BTreeMap<String, ContextValue>) -> Self {
        let bytes = values.iter().map(|(key, value)| pair_bytes(key, value)).sum();
        Self { values: values.clone().into_iter().collect(), version: 0, bytes }
    }

    /// One value.
    pub fn get(&self, key: &str) -> Option<&ContextValue> {
        self.values.get(key)
    }

    /// All values by key.
    pub fn values(&self) -> BTreeMap<String, ContextValue> {
        self.values.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Rises by one with each change.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Bytes of keys and values.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Would these updates change nothing?
    pub fn holds(&self, updates: &Updates) -> bool {
        updates.iter().all(|(key, value)| self.values.get(key) == value.as_ref())
    }

    /// Merges the updates, all or nothing; answers the previous values.
    pub fn merge(&mut self, updates: Updates) -> Result<Updates, Reason> {
        let mut merged = self.clone();
        let previous = updates.into_iter().map(|(key, value)| merged.put(key, value)).collect();
        merged.check(&previous)?;
        merged.version += 1;
        *self = merged;
        Ok(previous)
    }

    fn put(&mut self, key: String, value: Option<ContextValue>) -> (String, Option<ContextValue>) {
        let added = value.as_ref().map_or(0, |value| pair_bytes(&key, value));
        let before = match value {
            Some(value) => self.values.insert(key.clone(), value),
            None => self.values.remove(&key),
        };
        let freed = before.as_ref().map_or(0, |value| pair_bytes(&key, value));
        self.bytes = (self.bytes + added).saturating_sub(freed);
        (key, before)
    }

    fn check(&self, touched: &Updates) -> Result<(), Reason> {
        let too_large = |what: &str| Err(Reason::TooLarge { what: what.to_owned() });
        if touched.keys().any(|key| key.len() > CONTEXT_KEY_BYTES_MAX) {
            return too_large("a context key");
        }
        match self.bytes > CONTEXT_BYTES_MAX as u64 {
            true => too_large("the context"),
            false => Ok(()),
        }
    }
}

fn pair_bytes(key: &str, value: &ContextValue) -> u64 {
    (key.len() + value.0.len()) as u64
}

//! The gates' own configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::machine::{Callback, Owed};

/// What a gate needs to know beside what every node does.
#[derive(Clone, Debug)]
pub struct GateConfig {
    /// Datacenters by name, each with `host:port` of some of its managers' rpc listeners.
    pub datacenters: BTreeMap<String, Vec<String>>,
    /// How long a lease of a job to a datacenter lasts.
    pub lease: Duration,
    /// After so long without a word a datacenter may be given up.
    pub dc_lost_timeout: Duration,
    /// A webhook to which nothing could be delivered for so long is given up.
    pub callback_timeout: Duration,
    /// Seals the secrets of webhooks; the same at every gate.
    pub seal_key: Option<String>,
    /// A registration that nobody submits to becomes void after this.
    pub register_timeout: Duration,
    /// Replicas of a job's group.
    pub replication: u32,
    /// Submissions per client; `None`: not limited.
    pub submissions: Option<Rate>,
    /// Longest time that one request of a client may take before its answer begins.
    pub request_timeout: Duration,
}

impl GateConfig {
    /// When a webhook is given up unless something is delivered before, replicated ms since 1970.
    pub(crate) fn gives_up_ms(&self, callback: &Callback, owed: &Owed<'_>) -> u64 {
        let since_ms = callback.since_ms.max(owed.at_ms());
        since_ms.saturating_add(self.callback_timeout.as_millis() as u64)
    }
}

/// So many in so long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            datacenters: BTreeMap::new(),
            lease: Duration::from_secs(30),
            dc_lost_timeout: Duration::from_secs(30),
            callback_timeout: Duration::from_secs(3_600),
            seal_key: None,
            register_timeout: Duration::from_secs(60),
            replication: 3,
            submissions: Some(Rate { count: 50, per: Duration::from_secs(10) }),
            request_timeout: Duration::from_secs(10),
        }
    }
}

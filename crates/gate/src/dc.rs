//! What a gate knows of the datacenters: each is asked about once a second, by any of its managers.

mod choice;
mod known;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use muster_link::{CallError, Links};
use muster_runtime::{Clock, TaskKind, TaskScope};
use muster_wire::api::DatacenterView;
use muster_wire::rpc::manager::{DatacenterReport, DescribeDatacenter};

pub use choice::{Choice, ChoiceError};
use known::Known;

const POLL: TaskKind = TaskKind::new("datacenter_poll");
const POLL_PERIOD: Duration = Duration::from_secs(1);
const POLL_TIMEOUT: Duration = Duration::from_millis(900);

/// Every configured datacenter. Cheap to clone.
#[derive(Clone)]
pub struct Datacenters {
    all: Arc<BTreeMap<String, Mutex<Known>>>,
    clock: Clock,
}

impl Datacenters {
    /// Starts to ask each datacenter.
    pub fn start(seeds: &BTreeMap<String, Vec<String>>, parts: (&Links, &TaskScope, &Clock)) -> Self {
        let (links, scope, clock) = parts;
        let all = seeds.iter().map(|(name, seeds)| (name.clone(), Mutex::new(Known::new(seeds.clone()))));
        let datacenters = Self { all: Arc::new(all.collect()), clock: clock.clone() };
        for name in seeds.keys() {
            let (datacenters, links, name) = (datacenters.clone(), links.clone(), name.clone());
            scope.spawn_until_stop(POLL, async move { datacenters.poll(&links, &name).await });
        }
        datacenters
    }

    fn known(&self, name: &str) -> Option<MutexGuard<'_, Known>> {
        self.all.get(name).map(|known| known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn poll(&self, links: &Links, name: &str) {
        loop {
            self.ask(links, name).await;
            tokio::time::sleep(POLL_PERIOD).await;
        }
    }

    /// Asks one manager after the other until one answers.
    async fn ask(&self, links: &Links, name: &str) {
        for addr in self.managers(name) {
            let began = self.clock.now();
            let answer: Result<DatacenterReport, CallError> =
                links.call(&addr, &DescribeDatacenter {}, POLL_TIMEOUT).await;
            let Ok(report) = answer else { continue };
            let Some(mut known) = self.known(name) else { return };
            known.heard(report, self.clock.now(), began);
            return;
        }
        if let Some(mut known) = self.known(name) {
            known.not_heard();
        }
    }

    /// Is this datacenter configured?
    pub fn contains(&self, name: &str) -> bool {
        self.all.contains_key(name)
    }

    /// `host:port` of its managers: those that it told of first, then the configured ones.
    pub fn managers(&self, name: &str) -> Vec<String> {
        self.known(name).map(|known| known.addrs()).unwrap_or_default()
    }

    /// Every datacenter at a glance, by name.
    pub fn views(&self) -> Vec<DatacenterView> {
        let now = self.clock.now();
        self.all.keys().filter_map(|name| self.known(name).map(|known| known.view(name, now))).collect()
    }

    /// One datacenter at a glance.
    pub fn view(&self, name: &str) -> Option<DatacenterView> {
        let now = self.clock.now();
        self.known(name).map(|known| known.view(name, now))
    }
}

//! What a gate knows of the datacenters: each is asked about once a second, by any of its managers.

mod choice;
mod health;
mod known;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use muster_link::{CallError, Links};
use muster_runtime::{Clock, TaskKind, TaskScope};
use muster_wire::JobId;
use muster_wire::api::{DatacenterHealth, DatacenterView};
use muster_wire::rpc::manager::{DatacenterReport, DescribeDatacenter};

pub(crate) use choice::faults;
pub use choice::{Choice, ChoiceError};
use health::Reading;
use known::Known;

const POLL: TaskKind = TaskKind::new("datacenter_poll");
const POLL_PERIOD: Duration = Duration::from_secs(1);
const POLL_TIMEOUT: Duration = Duration::from_millis(900);
const FIRST_LOOK: Duration = Duration::from_secs(2);
const FIRST_LOOK_PERIOD: Duration = Duration::from_millis(10);

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
        let all = seeds
            .iter()
            .map(|(name, seeds)| (name.clone(), Mutex::new(Known::new(seeds.clone(), clock.now()))));
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
        let mut reading = Reading::Refused;
        for addr in self.managers(name) {
            let began = self.clock.now();
            let answer: Result<DatacenterReport, CallError> =
                links.call(&addr, &DescribeDatacenter {}, POLL_TIMEOUT).await;
            match answer {
                Ok(report) => return self.note(name, |known, now| known.heard(report, now, began)),
                Err(CallError::Refused) => {}
                Err(_) => reading = Reading::Silence,
            }
        }
        self.note(name, |known, now| known.not_heard(reading, now));
    }

    fn note(&self, name: &str, take: impl FnOnce(&mut Known, tokio::time::Instant)) {
        let now = self.clock.now();
        if let Some(mut known) = self.known(name) {
            take(&mut known, now);
        }
    }

    /// Waits until each was asked once, but not for long.
    pub async fn first_look(&self) {
        let all_asked =
            || self.all.keys().all(|name| self.known(name).is_some_and(|known| known.was_asked()));
        let look = async {
            while !all_asked() {
                tokio::time::sleep(FIRST_LOOK_PERIOD).await;
            }
        };
        let _ = tokio::time::timeout(FIRST_LOOK, look).await;
    }

    /// A job is sent there: until the next answer its cores count as used.
    pub fn promise(&self, name: &str, cores: u32) {
        if let Some(mut known) = self.known(name) {
            known.promise(cores);
        }
    }

    /// Does it not answer any more?
    pub fn is_silent(&self, name: &str) -> bool {
        self.known(name).is_some_and(|known| known.word() == DatacenterHealth::Unhealthy)
    }

    /// For how long this gate has heard nothing of it.
    pub fn silent_for(&self, name: &str) -> Duration {
        let now = self.clock.now();
        self.known(name).map_or(Duration::ZERO, |known| known.silent_for(now))
    }

    /// Several, and half of all, are silent at the same time: it is rather this gate's own network.
    pub fn is_own_network(&self) -> bool {
        let silent = self.all.keys().filter(|name| self.is_silent(name)).count();
        silent >= 2 && silent * 2 >= self.all.len()
    }

    /// Is this datacenter configured?
    pub fn contains(&self, name: &str) -> bool {
        self.all.contains_key(name)
    }

    /// `host:port` of its managers: those that it told of first, then the configured ones.
    pub fn managers(&self, name: &str) -> Vec<String> {
        self.known(name).map(|known| known.addrs()).unwrap_or_default()
    }

    /// The same, in a job's own order: new jobs, and so their leaders, are spread over the managers.
    pub fn managers_for(&self, name: &str, job: JobId) -> Vec<String> {
        self.known(name).map(|known| known.addrs_for(job)).unwrap_or_default()
    }

    /// Every datacenter at a glance, by name.
    pub fn views(&self) -> Vec<DatacenterView> {
        self.all.keys().filter_map(|name| self.known(name).map(|known| known.view(name))).collect()
    }

    /// One datacenter at a glance.
    pub fn view(&self, name: &str) -> Option<DatacenterView> {
        self.known(name).map(|known| known.view(name))
    }
}

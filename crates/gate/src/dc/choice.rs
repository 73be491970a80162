//! Which datacenters run a job, and why.

use muster_wire::api::{DatacenterHealth, DatacenterView, FieldFault, Placement, PlacementRole};
use muster_wire::spec::JobSpec;

use super::Datacenters;

/// A named datacenter is left for a later one of the list only for one that is at most so much farther away, ms.
const DETOUR_MS_MAX: f64 = 100.0;

/// Where a job is to run.
#[derive(Clone, PartialEq, Debug)]
pub struct Choice {
    /// Primaries first, then those that stand by.
    pub dcs: Vec<String>,
    /// How many of them run it.
    pub wanted: u32,
    /// Every datacenter that was thought of, and why it was or was not chosen.
    pub placements: Vec<Placement>,
}

impl Choice {
    /// Those that run it.
    pub fn primaries(&self) -> impl Iterator<Item = &str> {
        self.dcs.iter().take(self.wanted as usize).map(String::as_str)
    }
}

/// Why there is no choice.
#[derive(Clone, PartialEq, Debug)]
pub enum ChoiceError {
    /// A named datacenter is not configured.
    Unknown {
        /// Its position in the list.
        position: usize,
        /// Its name.
        name: String,
        /// Those that are.
        known: String,
    },
    /// More are wanted than there are.
    TooMany {
        /// How many there are.
        known: usize,
    },
    /// Fewer can be used now than are wanted: ask again.
    Unusable {
        /// Why each of them cannot.
        placements: Vec<Placement>,
    },
}

impl Datacenters {
    /// The named ones in their order, else all, best first. One that does not answer is never a primary; a named one
    /// with a long queue is left for a free one close by.
    pub fn choose(&self, spec: &JobSpec) -> Result<Choice, ChoiceError> {
        choose(&self.views(), spec)
    }
}

fn choose(views: &[DatacenterView], spec: &JobSpec) -> Result<Choice, ChoiceError> {
    let wanted = spec.datacenter_count.max(1);
    let ranked = match spec.datacenters.is_empty() {
        true => by_fitness(views),
        false => in_order(named(views, &spec.datacenters)?, wanted as usize),
    };
    if ranked.len() < wanted as usize {
        return Err(ChoiceError::TooMany { known: ranked.len() });
    }
    let (usable, unusable): (Vec<&DatacenterView>, Vec<&DatacenterView>) =
        ranked.into_iter().partition(|view| is_usable(view));
    let placements = placements((&usable, &unusable), spec, wanted as usize);
    if usable.len() < wanted as usize {
        return Err(ChoiceError::Unusable { placements });
    }
    let dcs = usable.iter().chain(&unusable).map(|view| view.id.clone()).collect();
    Ok(Choice { dcs, wanted, placements })
}

fn is_usable(view: &DatacenterView) -> bool {
    !matches!(view.health, DatacenterHealth::Unhealthy | DatacenterHealth::Initializing)
}

fn named<'a>(views: &'a [DatacenterView], names: &[String]) -> Result<Vec<&'a DatacenterView>, ChoiceError> {
    let find = |(position, name): (usize, &String)| {
        views.iter().find(|view| view.id == *name).ok_or_else(|| unknown(views, (position, name)))
    };
    names.iter().enumerate().map(find).collect()
}

fn unknown(views: &[DatacenterView], (position, name): (usize, &String)) -> ChoiceError {
    let known: Vec<&str> = views.iter().map(|view| view.id.as_str()).collect();
    ChoiceError::Unknown { position, name: name.clone(), known: known.join(", ") }
}

/// Health first, then free cores less what waits, then nearness.
fn by_fitness(views: &[DatacenterView]) -> Vec<&DatacenterView> {
    let mut ranked: Vec<&DatacenterView> = views.iter().collect();
    ranked.sort_by(|one, other| {
        let key = |view: &DatacenterView| (view.health, i64::from(view.queued) - i64::from(free(view)));
        key(one).cmp(&key(other)).then(rtt(one).total_cmp(&rtt(other)))
    });
    ranked
}

/// As named; but a free one that stands by takes the place of one with a long queue, if it is close enough.
fn in_order(mut named: Vec<&DatacenterView>, wanted: usize) -> Vec<&DatacenterView> {
    for at in 0..wanted.min(named.len()) {
        let queued = named[at];
        let better = named.iter().skip(wanted).position(|spare| is_spill(queued, spare));
        if let Some(spare) = better {
            named.swap(at, wanted + spare);
        }
    }
    named
}

/// Is its queue longer than its cores, while the other one is free and near?
fn is_spill(queued: &DatacenterView, spare: &DatacenterView) -> bool {
    let is_long = queued.queued > queued.cores.total && queued.health == DatacenterHealth::Busy;
    let is_free = spare.health == DatacenterHealth::Healthy;
    is_long && is_free && rtt(spare) - rtt(queued) <= DETOUR_MS_MAX
}

const fn free(view: &DatacenterView) -> u32 {
    view.cores.total.saturating_sub(view.cores.used)
}

fn rtt(view: &DatacenterView) -> f64 {
    view.rtt_ms.unwrap_or(f64::MAX)
}

fn placements(
    (usable, unusable): (&[&DatacenterView], &[&DatacenterView]),
    spec: &JobSpec,
    wanted: usize,
) -> Vec<Placement> {
    let role = |at: usize| if at < wanted { PlacementRole::Primary } else { PlacementRole::Standby };
    let used = usable.iter().enumerate().map(|(at, view)| placement(view, role(at), spec));
    used.chain(unusable.iter().map(|view| placement(view, PlacementRole::Unusable, spec))).collect()
}

fn placement(view: &DatacenterView, role: PlacementRole, spec: &JobSpec) -> Placement {
    Placement {
        datacenter: view.id.clone(),
        role,
        health: view.health,
        cores: view.cores,
        queued: view.queued,
        rtt_ms: view.rtt_ms,
        reason: reason(view, spec),
        warnings: warnings(view, spec),
    }
}

fn reason(view: &DatacenterView, spec: &JobSpec) -> String {
    let why = if spec.datacenters.is_empty() { "among all" } else { "named by the job" };
    match view.health {
        DatacenterHealth::Healthy => format!("{why}; {} of {} cores free", free(view), view.cores.total),
        DatacenterHealth::Busy => format!("{why}; no core is free, {} shards wait", view.queued),
        DatacenterHealth::Degraded => {
            format!("{why}; it has no leader or no worker, the job would wait there")
        }
        DatacenterHealth::Unhealthy => "it does not answer".to_owned(),
        DatacenterHealth::Initializing => "this gate is initializing and has not heard of it yet".to_owned(),
    }
}

/// What can never start there as it is now.
fn warnings(view: &DatacenterView, spec: &JobSpec) -> Vec<String> {
    let total = view.cores.total;
    let at_once = |gang: bool, replicas: u32| if gang { replicas } else { 1 };
    let needs = spec.workflows.iter().map(|workflow| {
        (&workflow.name, workflow.cores.saturating_mul(at_once(workflow.gang, workflow.replicas)))
    });
    needs
        .filter(|(_, cores)| *cores > total)
        .map(|(name, cores)| format!("workflow {name} needs {cores} cores at once, there are {total}"))
        .collect()
}

/// Why there is no choice, by datacenter.
pub(crate) fn faults(placements: &[Placement]) -> Vec<FieldFault> {
    let fault = |placement: &Placement| FieldFault {
        path: format!("datacenters.{}", placement.datacenter),
        message: placement.reason.clone(),
        line: None,
        column: None,
    };
    placements.iter().map(fault).collect()
}

#[cfg(test)]
#[path = "choice_test.rs"]
mod choice_test;

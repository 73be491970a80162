//! Which datacenters run a job.

use muster_wire::api::{DatacenterHealth, DatacenterView};
use muster_wire::spec::JobSpec;

use super::Datacenters;

/// Where a job is to run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    /// Primaries first, then those that stand by.
    pub dcs: Vec<String>,
    /// How many of them run it.
    pub wanted: u32,
}

/// Why there is no choice.
#[derive(Clone, PartialEq, Eq, Debug)]
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
    /// Fewer answer than are wanted: ask again.
    Unreachable,
}

impl Datacenters {
    /// The named ones in their order; else those that answer, most free cores first.
    pub fn choose(&self, spec: &JobSpec) -> Result<Choice, ChoiceError> {
        let wanted = spec.datacenter_count.max(1);
        let views = self.views();
        let dcs = match spec.datacenters.is_empty() {
            true => by_free_cores(&views, wanted as usize)?,
            false => named(&views, &spec.datacenters)?,
        };
        match dcs.len() < wanted as usize {
            true => Err(ChoiceError::TooMany { known: dcs.len() }),
            false => Ok(Choice { dcs, wanted }),
        }
    }
}

fn named(views: &[DatacenterView], names: &[String]) -> Result<Vec<String>, ChoiceError> {
    let unknown = names.iter().enumerate().find(|(_, name)| !views.iter().any(|view| view.id == **name));
    let Some((position, name)) = unknown else { return Ok(names.to_vec()) };
    let known: Vec<&str> = views.iter().map(|view| view.id.as_str()).collect();
    Err(ChoiceError::Unknown { position, name: name.clone(), known: known.join(", ") })
}

fn by_free_cores(views: &[DatacenterView], wanted: usize) -> Result<Vec<String>, ChoiceError> {
    if views.len() < wanted {
        return Err(ChoiceError::TooMany { known: views.len() });
    }
    let mut answering: Vec<&DatacenterView> =
        views.iter().filter(|view| view.health != DatacenterHealth::Unhealthy).collect();
    answering.sort_by_key(|view| (rank(view.health), u32::MAX - free(view)));
    match answering.len() < wanted {
        true => Err(ChoiceError::Unreachable),
        false => Ok(answering.into_iter().map(|view| view.id.clone()).collect()),
    }
}

const fn rank(health: DatacenterHealth) -> u8 {
    match health {
        DatacenterHealth::Healthy => 0,
        DatacenterHealth::Busy => 1,
        DatacenterHealth::Initializing => 2,
        DatacenterHealth::Degraded => 3,
        DatacenterHealth::Unhealthy => 4,
    }
}

const fn free(view: &DatacenterView) -> u32 {
    view.cores.total.saturating_sub(view.cores.used)
}

#[cfg(test)]
mod tests {
    use muster_wire::api::Cores;

    use super::*;

    fn view(id: &str, health: DatacenterHealth, free: u32) -> DatacenterView {
        let cores = Cores { total: free, used: 0 };
        DatacenterView { id: id.into(), health, managers: 1, workers: 1, cores, leader: true, rtt_ms: None }
    }

    #[test]
    fn the_healthy_one_with_most_free_cores_comes_first_and_silent_ones_never() {
        let views = [
            view("small", DatacenterHealth::Healthy, 2),
            view("busy", DatacenterHealth::Busy, 0),
            view("silent", DatacenterHealth::Unhealthy, 9),
            view("large", DatacenterHealth::Healthy, 8),
        ];
        assert_eq!(by_free_cores(&views, 1).unwrap(), ["large", "small", "busy"]);
        assert_eq!(by_free_cores(&views, 4), Err(ChoiceError::Unreachable));
        assert_eq!(by_free_cores(&views, 5), Err(ChoiceError::TooMany { known: 4 }));
    }

    #[test]
    fn an_unknown_name_is_told_with_the_known_ones() {
        let views = [view("a", DatacenterHealth::Healthy, 1), view("b", DatacenterHealth::Healthy, 1)];
        let known = "a, b".into();
        let wrong = Err(ChoiceError::Unknown { position: 1, name: "z".into(), known });
        assert_eq!(named(&views, &["a".into(), "z".into()]), wrong);
    }
}

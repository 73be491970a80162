use muster_wire::api::Cores;
use muster_wire::spec::Require;

use super::*;
use crate::machine::fixture::spec;

fn view(id: &str, health: DatacenterHealth, free: u32) -> DatacenterView {
    let cores = Cores { total: free.max(1), used: free.max(1) - free };
    let (managers, workers, queued, leader, rtt_ms) = (1, 1, 0, true, Some(1.0));
    DatacenterView { id: id.into(), health, managers, workers, cores, queued, leader, rtt_ms }
}

fn job(names: &[&str], count: u32) -> JobSpec {
    let datacenters = names.iter().map(ToString::to_string).collect();
    JobSpec { datacenters, datacenter_count: count, ..spec(Require::All) }
}

fn roles(choice: &Choice) -> Vec<(&str, PlacementRole)> {
    choice.placements.iter().map(|placement| (placement.datacenter.as_str(), placement.role)).collect()
}

#[test]
fn the_healthy_one_with_most_free_cores_comes_first_and_a_silent_one_is_never_a_primary() {
    let views = [
        view("small", DatacenterHealth::Healthy, 2),
        view("busy", DatacenterHealth::Busy, 0),
        view("silent", DatacenterHealth::Unhealthy, 9),
        view("large", DatacenterHealth::Healthy, 8),
    ];
    let choice = choose(&views, &job(&[], 1)).unwrap();
    assert_eq!(choice.dcs, ["large", "small", "busy", "silent"]);
    assert_eq!(roles(&choice)[..2], [("large", PlacementRole::Primary), ("small", PlacementRole::Standby)]);
    assert_eq!(roles(&choice)[3], ("silent", PlacementRole::Unusable));
    assert!(matches!(choose(&views, &job(&[], 4)), Err(ChoiceError::Unusable { .. })));
    assert_eq!(choose(&views, &job(&[], 5)), Err(ChoiceError::TooMany { known: 4 }));
}

#[test]
fn only_named_datacenters_are_used_and_a_silent_one_gives_way_to_the_next() {
    let views = [
        view("a", DatacenterHealth::Unhealthy, 8),
        view("b", DatacenterHealth::Healthy, 1),
        view("c", DatacenterHealth::Healthy, 9),
    ];
    assert_eq!(choose(&views, &job(&["a", "b"], 1)).unwrap().dcs, ["b", "a"]);
    let Err(ChoiceError::Unusable { placements }) = choose(&views, &job(&["a"], 1)) else { panic!() };
    assert_eq!(faults(&placements)[0].path, "datacenters.a");
}

#[test]
fn an_unknown_name_is_told_with_the_known_ones() {
    let views = [view("a", DatacenterHealth::Healthy, 1), view("b", DatacenterHealth::Healthy, 1)];
    let known = "a, b".into();
    let wrong = Err(ChoiceError::Unknown { position: 1, name: "z".into(), known });
    assert_eq!(choose(&views, &job(&["a", "z"], 1)), wrong);
}

#[test]
fn a_named_datacenter_with_a_long_queue_spills_over_only_to_a_free_one_close_by() {
    let mut queued = view("a", DatacenterHealth::Busy, 0);
    queued.queued = 5;
    let near = view("b", DatacenterHealth::Healthy, 4);
    let far = DatacenterView { rtt_ms: Some(300.0), ..near.clone() };
    let busy = view("b", DatacenterHealth::Busy, 0);
    let short = DatacenterView { queued: 0, ..queued.clone() };
    let first = |views: &[DatacenterView]| choose(views, &job(&["a", "b"], 1)).unwrap().dcs[0].clone();
    assert_eq!(first(&[queued.clone(), near.clone()]), "b");
    assert_eq!(first(&[queued.clone(), far]), "a");
    assert_eq!(first(&[queued, busy]), "a");
    assert_eq!(first(&[short, near]), "a");
}

#[test]
fn a_workflow_that_can_never_start_is_a_warning() {
    let mut spec = job(&[], 1);
    spec.workflows[0].cores = 3;
    spec.workflows[1].gang = true;
    let choice = choose(&[view("a", DatacenterHealth::Healthy, 2)], &spec).unwrap();
    assert_eq!(choice.placements[0].warnings.len(), 1, "{:?}", choice.placements);
}

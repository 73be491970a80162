use super::*;
use crate::machine::world::{spec, workflow};

fn named(names: &[(&str, &[u32])]) -> JobSpec {
    let workflows = names.iter().map(|(name, on)| {
        let mut one = workflow(name, 1);
        one.depends_on = on.iter().copied().map(WorkflowIx).collect();
        one
    });
    spec(workflows.collect())
}

#[test]
fn a_cycle_an_unknown_dependency_and_a_name_used_twice_are_malformed() {
    let odd = [
        named(&[("a", &[1]), ("b", &[0])]),
        named(&[("a", &[7])]),
        named(&[("a", &[]), ("a", &[])]),
        named(&[]),
    ];
    for spec in odd {
        assert!(matches!(check(&spec), Err(Reason::Malformed { .. })), "{spec:?}");
    }
}

#[test]
fn a_diamond_is_fine() {
    assert_eq!(check(&named(&[("a", &[]), ("b", &[0]), ("c", &[0]), ("d", &[1, 2])])), Ok(()));
}

#[test]
fn a_job_has_a_bound_on_all_its_shards() {
    let many = spec((0..11).map(|n| workflow(&n.to_string(), 10_000)).collect());
    assert!(matches!(check(&many), Err(Reason::LimitReached { .. })));
}

#[test]
fn dependents_are_reached_through_dependents() {
    let spec = named(&[("a", &[]), ("b", &[0]), ("c", &[1]), ("d", &[])]);
    let reached = with_dependents(&spec, &[WorkflowIx(0), WorkflowIx(99)]);
    assert_eq!(reached.into_iter().map(|ix| ix.0).collect::<Vec<_>>(), [0, 1, 2]);
}

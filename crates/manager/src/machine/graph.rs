//! The workflows' dependencies.

use std::collections::BTreeSet;

use muster_machine::Reason;
use muster_wire::WorkflowIx;
use muster_wire::spec::{JobSpec, SHARDS_MAX, WORKFLOWS_MAX, WorkflowSpec};

use super::limits::SHARDS_PER_JOB_MAX;

/// Refuses what no job can be: no or too many workflows or shards, one name twice, an unknown dependency, a cycle.
pub(super) fn check(spec: &JobSpec) -> Result<(), Reason> {
    check_counts(spec)?;
    check_names(spec)?;
    check_dependencies(spec)?;
    check_acyclic(spec)
}

fn check_counts(spec: &JobSpec) -> Result<(), Reason> {
    if !(1..=WORKFLOWS_MAX).contains(&spec.workflows.len()) {
        return Err(Reason::malformed(format!("a job has 1 to {WORKFLOWS_MAX} workflows")));
    }
    if !spec.workflows.iter().all(|workflow| (1..=SHARDS_MAX).contains(&workflow.replicas)) {
        return Err(Reason::malformed(format!("a workflow has 1 to {SHARDS_MAX} shards")));
    }
    let shards: u64 = spec.workflows.iter().map(|workflow| u64::from(workflow.replicas)).sum();
    match shards > SHARDS_PER_JOB_MAX {
        true => Err(Reason::LimitReached { what: format!("{SHARDS_PER_JOB_MAX} shards per job") }),
        false => Ok(()),
    }
}

fn check_names(spec: &JobSpec) -> Result<(), Reason> {
    let mut names = BTreeSet::new();
    match spec.workflows.iter().find(|workflow| !names.insert(&workflow.name)) {
        Some(twice) => Err(Reason::malformed(format!("two workflows are named `{}`", twice.name))),
        None => Ok(()),
    }
}

fn check_dependencies(spec: &JobSpec) -> Result<(), Reason> {
    let known = |workflow: &WorkflowSpec| workflow.depends_on.iter().all(|on| spec.workflow(*on).is_some());
    match spec.workflows.iter().find(|workflow| !known(workflow)) {
        Some(odd) => Err(Reason::malformed(format!("`{}` depends on an unknown workflow", odd.name))),
        None => Ok(()),
    }
}

/// Takes away, again and again, what depends on nothing that is left; a cycle stays.
fn check_acyclic(spec: &JobSpec) -> Result<(), Reason> {
    let mut left: BTreeSet<WorkflowIx> = spec.enumerate().map(|(ix, _)| ix).collect();
    loop {
        let free: Vec<_> = left.iter().copied().filter(|ix| depends_on_none(spec, *ix, &left)).collect();
        if left.is_empty() {
            return Ok(());
        }
        if free.is_empty() {
            return Err(Reason::malformed("workflows depend on each other in a cycle"));
        }
        left.retain(|ix| !free.contains(ix));
    }
}

fn depends_on_none(spec: &JobSpec, ix: WorkflowIx, left: &BTreeSet<WorkflowIx>) -> bool {
    spec.workflow(ix).is_none_or(|workflow| !workflow.depends_on.iter().any(|on| left.contains(on)))
}

/// The workflows that depend directly on `ix`, by position.
pub(super) fn dependents(spec: &JobSpec, ix: WorkflowIx) -> Vec<WorkflowIx> {
    let direct = spec.enumerate().filter(|(_, workflow)| workflow.depends_on.contains(&ix));
    direct.map(|(dependent, _)| dependent).collect()
}

/// These workflows and all that depend on them; unknown positions are left out.
pub(super) fn with_dependents(spec: &JobSpec, roots: &[WorkflowIx]) -> BTreeSet<WorkflowIx> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<_> = roots.iter().copied().filter(|ix| spec.workflow(*ix).is_some()).collect();
    while let Some(ix) = next.pop() {
        if reached.insert(ix) {
            next.extend(dependents(spec, ix));
        }
    }
    reached
}

#[cfg(test)]
#[path = "graph_test.rs"]
mod graph_test;

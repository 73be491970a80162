//! What holds between fields: names are unique, dependencies exist and make no cycle, counts fit.

use std::collections::{BTreeMap, BTreeSet};

use muster_wire::WorkflowIx;
use muster_wire::spec::{JobSpec, Require};

use crate::fields::Faults;
use crate::workflow::Draft;

pub(crate) fn check(spec: &mut JobSpec, drafts: Vec<Draft>, faults: &mut Faults) {
    check_counts(spec, faults);
    let by_name = unique_names(&drafts, faults);
    for mut draft in drafts {
        draft.spec.depends_on = resolve(&draft, &by_name, faults);
        spec.workflows.push(draft.spec);
    }
    check_cycles(spec, faults);
}

fn check_counts(spec: &JobSpec, faults: &mut Faults) {
    let (listed, count) = (spec.datacenters.len(), spec.datacenter_count);
    let distinct = spec.datacenters.iter().collect::<BTreeSet<_>>().len();
    let short = listed > 0 && count as usize > listed;
    let rules = [
        (short, "datacenter_count", format!("asks for {count} datacenters, `datacenters` lists {listed}")),
        (distinct < listed, "datacenters", "lists a datacenter twice".to_owned()),
        (requires_more(spec), "require", format!("is more than `datacenter_count` ({count})")),
    ];
    for (_, path, message) in rules.into_iter().filter(|(broken, _, _)| *broken) {
        faults.add(path, None, message);
    }
}

fn requires_more(spec: &JobSpec) -> bool {
    match spec.require {
        Require::Count(count) => count > spec.datacenter_count,
        Require::All | Require::Any => false,
    }
}

fn unique_names(drafts: &[Draft], faults: &mut Faults) -> BTreeMap<String, WorkflowIx> {
    let mut by_name = BTreeMap::new();
    for (ix, draft) in drafts.iter().enumerate().filter(|(_, draft)| !draft.spec.name.is_empty()) {
        if by_name.insert(draft.spec.name.clone(), WorkflowIx(ix as u32)).is_some() {
            faults.add(
                &format!("{}.name", draft.path),
                draft.mark,
                format!("`{}` is used twice", draft.spec.name),
            );
        }
    }
    by_name
}

fn resolve(draft: &Draft, by_name: &BTreeMap<String, WorkflowIx>, faults: &mut Faults) -> Vec<WorkflowIx> {
    let mut found = BTreeSet::new();
    for (path, mark, name) in &draft.depends_on {
        match by_name.get(name) {
            Some(ix) => drop(found.insert(*ix)),
            None => faults.add(path, *mark, format!("no workflow is named `{name}`")),
        }
    }
    found.into_iter().collect()
}

/// Takes away workflows whose dependencies are all taken away; what remains is in or behind a cycle.
fn check_cycles(spec: &JobSpec, faults: &mut Faults) {
    let mut open: BTreeSet<usize> = (0..spec.workflows.len()).collect();
    loop {
        let free: Vec<usize> = open.iter().copied().filter(|ix| is_free(spec, *ix, &open)).collect();
        if free.is_empty() {
            break;
        }
        open.retain(|ix| !free.contains(ix));
    }
    if !open.is_empty() {
        let names: Vec<&str> = open.iter().map(|ix| spec.workflows[*ix].name.as_str()).collect();
        faults.add("workflows", None, format!("depend on each other in a cycle: {}", names.join(", ")));
    }
}

fn is_free(spec: &JobSpec, ix: usize, open: &BTreeSet<usize>) -> bool {
    spec.workflows[ix].depends_on.iter().all(|on| !open.contains(&(on.0 as usize)))
}

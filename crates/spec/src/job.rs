//! The job's own fields.

use std::collections::BTreeMap;

use muster_wire::spec::{
    CONTEXT_BYTES_MAX, ContextValue, JobSpec, OnDcLost, OnLost, OnWorkflowFailure, Require, WORKFLOWS_MAX,
};

use crate::fields::{Faults, Fields, Place};
use crate::tree::{Node, Value};
use crate::{Fault, relations, workflow};

const HOUR_MS: u64 = 3_600_000;
const YEAR_MS: u64 = 365 * 24 * HOUR_MS;
const LABELS_MAX: usize = 64;

pub(crate) fn read(root: Node) -> Result<JobSpec, Vec<Fault>> {
    let mut faults = Faults::default();
    let mut fields = Fields::open("", root, &mut faults);
    let spec = read_fields(&mut fields, &mut faults);
    fields.close(&mut faults);
    let faults = faults.finish();
    match faults.is_empty() {
        true => Ok(spec),
        false => Err(faults),
    }
}

fn read_fields(fields: &mut Fields, faults: &mut Faults) -> JobSpec {
    let name = fields.require("name", faults).and_then(|place| name(place, faults)).unwrap_or_default();
    let timeout_ms = duration(fields, "timeout", HOUR_MS, faults);
    let datacenters = fields.take("datacenters").map(|place| place.texts(faults)).unwrap_or_default();
    let datacenter_count =
        fields.take("datacenter_count").and_then(|place| place.int(1..=64, faults)).unwrap_or(1);
    let require = fields.take("require").and_then(|place| require(place, faults)).unwrap_or(Require::All);
    let labels = fields.take("labels").map(|place| labels(place, faults)).unwrap_or_default();
    let retention_ms = duration(fields, "retention", HOUR_MS, faults);
    let priority = fields.take("priority").and_then(|place| place.int(0..=100, faults)).unwrap_or(50) as u8;
    let context = fields.take("context").map(|place| context(place, faults)).unwrap_or_default();
    let [on_workflow_failure, on_lost, on_dc_lost] =
        ["on_workflow_failure", "on_lost", "on_dc_lost"].map(|key| fields.take(key));
    let mut spec = JobSpec {
        name,
        timeout_ms,
        datacenters,
        datacenter_count,
        require,
        on_workflow_failure: policy(on_workflow_failure, &ON_FAILURE, faults),
        on_lost: policy(on_lost, &ON_LOST, faults),
        on_dc_lost: policy(on_dc_lost, &ON_DC_LOST, faults),
        retention_ms,
        priority,
        labels,
        context,
        workflows: Vec::new(),
    };
    let workflows =
        fields.require("workflows", faults).map(|place| workflows(place, faults)).unwrap_or_default();
    relations::check(&mut spec, workflows, faults);
    spec
}

const ON_FAILURE: [(&str, OnWorkflowFailure); 2] =
    [("fail", OnWorkflowFailure::Fail), ("continue", OnWorkflowFailure::Continue)];
const ON_LOST: [(&str, OnLost); 3] =
    [("retry", OnLost::Retry), ("wait", OnLost::Wait), ("fail", OnLost::Fail)];
const ON_DC_LOST: [(&str, OnDcLost); 2] = [("wait", OnDcLost::Wait), ("failover", OnDcLost::Failover)];

/// The first word of the table is the default.
fn policy<T: Copy, const N: usize>(place: Option<Place>, words: &[(&str, T); N], faults: &mut Faults) -> T {
    place.and_then(|place| place.word(words, faults)).unwrap_or(words[0].1)
}

fn duration(fields: &mut Fields, key: &'static str, default_ms: u64, faults: &mut Faults) -> u64 {
    fields.take(key).and_then(|place| place.duration(0..=YEAR_MS, faults)).unwrap_or(default_ms)
}

/// 1..128 characters `[A-Za-z0-9._-]`.
pub(crate) fn name(place: Place, faults: &mut Faults) -> Option<String> {
    let (path, mark) = (place.path.clone(), place.mark);
    let text = place.text(faults)?;
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let good = (1..=128).contains(&text.len()) && text.chars().all(known);
    if !good {
        faults.add(&path, mark, "must be 1 to 128 characters of A-Z a-z 0-9 . _ -");
    }
    good.then_some(text)
}

fn require(place: Place, faults: &mut Faults) -> Option<Require> {
    match place.value {
        Value::Int(_) => place.int(1..=64, faults).map(Require::Count),
        _ => place.word(&[("all", Require::All), ("any", Require::Any)], faults),
    }
}

fn labels(place: Place, faults: &mut Faults) -> BTreeMap<String, String> {
    let (path, mark) = (place.path.clone(), place.mark);
    let labels = place.text_map(faults);
    if labels.len() > LABELS_MAX {
        faults.add(&path, mark, format!("at most {LABELS_MAX} labels, found {}", labels.len()));
    }
    labels
}

fn context(place: Place, faults: &mut Faults) -> BTreeMap<String, ContextValue> {
    let (path, mark) = (place.path.clone(), place.mark);
    let context = place.value_map(faults);
    let bytes: usize = context.iter().map(|(key, value)| key.len() + value.0.len()).sum();
    if bytes > CONTEXT_BYTES_MAX {
        faults.add(&path, mark, format!("{bytes} bytes are over the limit of {CONTEXT_BYTES_MAX}"));
    }
    context
}

fn workflows(place: Place, faults: &mut Faults) -> Vec<workflow::Draft> {
    let (path, mark) = (place.path.clone(), place.mark);
    let items = place.list(faults);
    if items.is_empty() || items.len() > WORKFLOWS_MAX {
        faults.add(&path, mark, format!("must hold 1 to {WORKFLOWS_MAX} workflows, holds {}", items.len()));
    }
    items.into_iter().take(WORKFLOWS_MAX).map(|item| workflow::read(item, faults)).collect()
}

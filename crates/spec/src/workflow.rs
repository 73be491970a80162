//! One workflow's fields.

use std::collections::BTreeMap;

use muster_wire::spec::{SHARDS_MAX, WorkflowSpec};

use crate::fields::{Faults, Fields, Place};
use crate::job;
use crate::placeholder;
use crate::tree::{Mark, Node};

const DAY_MS: u64 = 86_400_000;

/// A workflow whose dependencies are still names.
pub(crate) struct Draft {
    pub(crate) path: String,
    pub(crate) mark: Option<Mark>,
    pub(crate) spec: WorkflowSpec,
    pub(crate) depends_on: Vec<(String, Option<Mark>, String)>,
}

pub(crate) fn read(place: Place, faults: &mut Faults) -> Draft {
    let (path, mark) = (place.path, place.mark);
    let mut fields = Fields::open(&path, Node { value: place.value, mark }, faults);
    let depends_on = fields.take("depends_on").map(|place| dependencies(place, faults)).unwrap_or_default();
    let spec = read_fields(&mut fields, faults);
    fields.close(faults);
    Draft { path, mark, spec, depends_on }
}

fn dependencies(place: Place, faults: &mut Faults) -> Vec<(String, Option<Mark>, String)> {
    let items = place.list(faults);
    let named = items.into_iter().filter_map(|item| {
        let (path, mark) = (item.path.clone(), item.mark);
        item.text(faults).map(|name| (path, mark, name))
    });
    named.collect()
}

fn read_fields(fields: &mut Fields, faults: &mut Faults) -> WorkflowSpec {
    let name = fields.require("name", faults).and_then(|place| job::name(place, faults)).unwrap_or_default();
    let command = fields.require("command", faults).map(|place| command(place, faults)).unwrap_or_default();
    let mut number =
        |key, range, default| fields.take(key).and_then(|p| p.int(range, faults)).unwrap_or(default);
    let replicas = number("replicas", 1..=SHARDS_MAX, 1);
    let cores = number("cores", 1..=4096, 1);
    let retries = number("retries", 0..=1000, 0);
    let mut time =
        |key, range, default| fields.take(key).and_then(|p| p.duration(range, faults)).unwrap_or(default);
    let timeout_ms = time("timeout", 1..=365 * DAY_MS, 3_600_000);
    let backoff_ms = time("backoff", 0..=DAY_MS, 1_000);
    let grace_ms = time("grace", 0..=DAY_MS, 10_000);
    let env = fields.take("env").map(|place| env(place, faults)).unwrap_or_default();
    let gang = fields.take("gang").and_then(|place| place.flag(faults)).unwrap_or(false);
    let constraints = fields.take("constraints").map(|place| place.text_map(faults)).unwrap_or_default();
    let depends_on = Vec::new();
    WorkflowSpec {
        name,
        command,
        replicas,
        cores,
        env,
        timeout_ms,
        retries,
        backoff_ms,
        grace_ms,
        gang,
        constraints,
        depends_on,
    }
}

fn command(place: Place, faults: &mut Faults) -> Vec<String> {
    let (path, mark) = (place.path.clone(), place.mark);
    let parts = place.list(faults);
    let given = parts.len();
    let words: Vec<String> = parts.into_iter().filter_map(|part| template(part, faults)).collect();
    if given == 0 || words.first().is_some_and(String::is_empty) {
        faults.add(&path, mark, "must name a program, such as [\"sh\", \"-c\", \"echo hi\"]");
    }
    words
}

fn template(place: Place, faults: &mut Faults) -> Option<String> {
    let (path, mark) = (place.path.clone(), place.mark);
    let text = place.text(faults)?;
    check_placeholders(&path, mark, &text, faults);
    Some(text)
}

fn check_placeholders(path: &str, mark: Option<Mark>, text: &str, faults: &mut Faults) {
    for unknown in placeholder::unknown(text) {
        faults.add(
            path,
            mark,
            format!("unknown placeholder {{{{{unknown}}}}}; known: {}", placeholder::KNOWN),
        );
    }
}

fn env(place: Place, faults: &mut Faults) -> BTreeMap<String, String> {
    let (path, mark) = (place.path.clone(), place.mark);
    let env = place.text_map(faults);
    for (key, value) in &env {
        let path = format!("{path}.{key}");
        check_placeholders(&path, mark, value, faults);
        check_env_name(&path, mark, key, faults);
    }
    env
}

fn check_env_name(path: &str, mark: Option<Mark>, key: &str, faults: &mut Faults) {
    if key.is_empty() || key.contains(['=', '\0']) {
        faults.add(path, mark, "is not the name of an environment variable");
    }
    if key.starts_with("MUSTER_") {
        faults.add(path, mark, "names that begin with MUSTER_ are set by muster itself");
    }
}

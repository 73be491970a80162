//! What a shard's process is started with: everything interpolated. Pure.

use std::collections::BTreeMap;

use muster_spec::placeholder;
use muster_wire::job::AttemptKey;
use muster_wire::rpc::worker::RunSpec;
use muster_wire::spec::WorkflowSpec;

use crate::machine::JobRecord;

/// A name between double braces that has no value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{{{{{0}}}}}` has no value: the context has no such key")]
pub(crate) struct Missing(pub String);

/// The process of an attempt, with the context as it is now.
pub(crate) fn run_spec(record: &JobRecord, key: AttemptKey) -> Result<RunSpec, Missing> {
    let spec = record.spec().workflow(key.workflow).ok_or_else(|| Missing("workflow".into()))?;
    let lookup = |name: &str| value(record, spec, (key, name));
    let fill = |template: &String| placeholder::fill(template, lookup).map_err(Missing);
    let command = spec.command.iter().map(fill).collect::<Result<Vec<_>, _>>()?;
    let env = spec.env.iter().map(|(name, template)| Ok((name.clone(), fill(template)?)));
    let env = env.collect::<Result<BTreeMap<_, _>, Missing>>()?;
    Ok(RunSpec {
        workflow: spec.name.clone(),
        shards: spec.replicas,
        cores: spec.cores,
        command,
        env,
        timeout_ms: spec.timeout_ms,
        grace_ms: spec.grace_ms,
        context: record.context().values(),
        context_version: record.context().version(),
    })
}

fn value(record: &JobRecord, spec: &WorkflowSpec, (key, name): (AttemptKey, &str)) -> Option<String> {
    match name {
        "job" => Some(record.job().to_string()),
        "workflow" => Some(spec.name.clone()),
        "shard" => Some(key.shard.to_string()),
        "shards" => Some(spec.replicas.to_string()),
        "attempt" => Some(key.attempt.to_string()),
        _ => context_value(record, name),
    }
}

fn context_value(record: &JobRecord, name: &str) -> Option<String> {
    let key = name.strip_prefix("context.")?;
    record.context().get(key).map(|value| value.to_plain())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::commands::CreateJob;
    use crate::machine::world::{World, create_job, key};

    fn world(command: &[&str]) -> World {
        let mut create: CreateJob = create_job();
        create.spec.workflows[0].command = command.iter().map(ToString::to_string).collect();
        create.spec.workflows[0].env.insert("ZONE".into(), "{{context.region}}-{{shard}}".into());
        let mut world = World::empty();
        world.applied(&create);
        world
    }

    #[test]
    fn names_are_filled_in_commands_and_environment() {
        let world = world(&["run", "{{workflow}} {{shard}}/{{shards}} #{{attempt}}", r"\{{shard}}"]);
        let run = run_spec(world.record(), key(0, 1, 3)).unwrap();
        assert_eq!(run.command, ["run", "prepare 1/2 #3", "{{shard}}"]);
        assert_eq!(run.env["ZONE"], "eu-1");
    }

    #[test]
    fn a_missing_context_key_is_named() {
        let world = world(&["run", "{{context.none}}"]);
        assert_eq!(run_spec(world.record(), key(0, 0, 1)), Err(Missing("context.none".into())));
    }
}

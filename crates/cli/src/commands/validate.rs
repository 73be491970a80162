//! `muster validate`: every fault of a job file, without asking a gate.

use serde_json::json;

use crate::args::File;
use crate::context::Context;
use crate::exit;
use crate::failure::Failure;
use crate::job_file::JobFile;

pub(crate) fn run(context: &Context, args: &File) -> Result<u8, Failure> {
    let file = JobFile::read(&args.file)?;
    let spec = file.validate()?;
    let shards: u64 = spec.workflows.iter().map(|workflow| u64::from(workflow.replicas)).sum();
    let workflows = spec.workflows.len();
    match context.out.json {
        true => context
            .out
            .document(&json!({"valid": true, "name": spec.name, "workflows": workflows, "shards": shards}))?,
        false => context.out.line(&format!(
            "{}: valid job `{}`, {workflows} workflows, {shards} shards",
            file.name, spec.name
        ))?,
    }
    Ok(exit::DONE)
}

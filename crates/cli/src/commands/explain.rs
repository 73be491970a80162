//! `muster explain`.

use crate::args::Job;
use crate::context::Context;
use crate::exit;
use crate::failure::Failure;

pub(crate) async fn run(context: &Context, args: &Job) -> Result<u8, Failure> {
    let explanation = context.client()?.explain(&args.job).await?;
    if context.out.json {
        context.out.document(&explanation)?;
        return Ok(exit::DONE);
    }
    context.out.line(&format!("{} is {}", explanation.id, explanation.status))?;
    for wait in &explanation.waits {
        context.out.line(&format!("  {} waits for {}: {}", wait.subject, wait.cause, wait.detail))?;
    }
    Ok(exit::DONE)
}

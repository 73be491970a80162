//! `muster version`: of this program, and of the gate where one answers.

use serde_json::json;

use crate::context::Context;
use crate::exit;
use crate::failure::Failure;

pub(crate) async fn run(context: &Context) -> Result<u8, Failure> {
    let ours = env!("CARGO_PKG_VERSION");
    let mut brief = context.global.clone();
    brief.timeout = std::time::Duration::from_secs(1);
    let gate = Context::new(brief).client()?.node().await.ok();
    let theirs = gate.map(|node| node.version);
    match context.out.json {
        true => context.out.document(&json!({"client": ours, "gate": theirs}))?,
        false => {
            context.out.line(&format!("muster {ours}"))?;
            context.out.line(&format!("gate   {}", theirs.as_deref().unwrap_or("not reached")))?;
        }
    }
    Ok(exit::DONE)
}

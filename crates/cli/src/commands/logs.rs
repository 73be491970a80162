//! `muster logs`.

use futures_util::StreamExt as _;
use muster_client::LogQuery;

use crate::args::Logs;
use crate::context::Context;
use crate::exit;
use crate::failure::Failure;

pub(crate) async fn run(context: &Context, args: Logs) -> Result<u8, Failure> {
    let query = LogQuery { workflow: args.workflow, shard: args.shard, follow: args.follow, tail: args.tail };
    let stream = context.client()?.logs(&args.job, query).await?;
    let mut stream = std::pin::pin!(stream);
    let mut lines = Lines::default();
    while let Some(chunk) = stream.next().await {
        print(context, &mut lines, &chunk?)?;
    }
    lines.rest(context)?;
    Ok(exit::DONE)
}

/// Bytes as they come; in JSON mode one item a whole line.
fn print(context: &Context, lines: &mut Lines, chunk: &[u8]) -> Result<(), Failure> {
    match context.out.json {
        true => lines.feed(context, chunk),
        false => context.out.raw(chunk),
    }
}

/// Cuts chunks into lines.
#[derive(Default)]
struct Lines {
    open: Vec<u8>,
}

impl Lines {
    fn feed(&mut self, context: &Context, chunk: &[u8]) -> Result<(), Failure> {
        self.open.extend_from_slice(chunk);
        while let Some(end) = self.open.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.open.drain(..=end).collect();
            item(context, &line[..end])?;
        }
        Ok(())
    }

    fn rest(&mut self, context: &Context) -> Result<(), Failure> {
        match self.open.is_empty() {
            true => Ok(()),
            false => item(context, &std::mem::take(&mut self.open)),
        }
    }
}

fn item(context: &Context, line: &[u8]) -> Result<(), Failure> {
    context.out.item(&serde_json::json!({"line": String::from_utf8_lossy(line)}))
}

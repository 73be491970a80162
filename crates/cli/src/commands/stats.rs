//! `muster stats`.

use muster_client::StatsQuery;
use muster_wire::api::StatsWindowView;
use serde_json::json;

use crate::context::Context;
use crate::exit;
use crate::failure::Failure;
use crate::more_args::Stats;
use crate::table::table;

pub(crate) async fn run(context: &Context, args: Stats) -> Result<u8, Failure> {
    let query = StatsQuery { workflow: args.workflow, datacenter: args.dc, from: args.from, step: args.step };
    let windows = context.client()?.stats(&args.job, query).await?;
    match context.out.json {
        true => context.out.document(&json!({"items": windows}))?,
        false => context.out.line(&render(&windows))?,
    }
    Ok(exit::DONE)
}

fn render(windows: &[StatsWindowView]) -> String {
    let header =
        ["window", "width", "workflow", "name", "count", "sum", "rate/s", "p50", "p90", "p99", "max"];
    table(&header, &windows.iter().flat_map(rows).collect::<Vec<_>>())
}

fn rows(window: &StatsWindowView) -> impl Iterator<Item = Vec<String>> {
    window.counters.iter().map(|(name, counter)| {
        let spread = window.distributions.get(name).copied().unwrap_or_default();
        let numbers = [counter.sum, counter.rate, spread.p50, spread.p90, spread.p99, spread.max];
        let words = [
            window.window_start.clone(),
            format!("{}ms", window.window_ms),
            window.workflow.clone(),
            name.clone(),
            spread.count.to_string(),
        ];
        words.into_iter().chain(numbers.iter().map(|number| format!("{number:.2}"))).collect()
    })
}

//! Memory over many jobs that are finished, kept for a short time and purged.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::jobs::{AT_ONCE, NOOP, file, run_job};
use crate::cluster::{Cluster, Role};
use crate::metrics;
use crate::wait::within;

/// Jobs in all, in rounds: memory is read after each.
const ROUNDS: usize = 10;
const JOBS_IN_ROUND: usize = 2_000;

/// Runs the jobs and prints the resident memory of each tier after each round, then what is left of them.
pub(super) async fn memory(cluster: &Cluster) -> anyhow::Result<()> {
    let client = cluster.client()?;
    let text = file(NOOP, 1);
    for round in 1..=ROUNDS {
        stream::iter(0..JOBS_IN_ROUND)
            .map(|_| async { run_job(&client, &text).await.map(drop) })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        let figures = [resident(cluster, Role::Gate).await, resident(cluster, Role::Manager).await];
        println!(
            "| memory after {} jobs, retention 2 s | gate {:.0} MiB, managers {:.0} MiB together |",
            round * JOBS_IN_ROUND,
            figures[0],
            figures[1]
        );
    }
    let mut groups = || async {
        let left = cluster.metric(&[Role::Gate, Role::Manager], "muster_groups", "").await;
        // Each node's directory stays.
        match left <= 8.0 {
            true => Ok(left),
            false => Err(format!("{left} groups")),
        }
    };
    let left = within(Duration::from_secs(60), "every job's group to be gone", &mut groups).await?;
    println!("| groups left, directories included, over four nodes | {left:.0} |");
    Ok(())
}

async fn resident(cluster: &Cluster, role: Role) -> f64 {
    let mut bytes = 0.0;
    for name in cluster.names(role) {
        let text = cluster.get(&name, "/metrics").await.unwrap_or_default();
        bytes += metrics::sum(&text, "process_resident_memory_bytes", "");
    }
    bytes / f64::from(1 << 20)
}

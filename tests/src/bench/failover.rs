//! How long a job cannot be written to after the process that led it was killed.

use std::time::Duration;

use muster_runtime::Clock;
use muster_wire::api::CancelRequest;

use super::figures::Samples;
use crate::Cluster;
use crate::cluster::Role;

const LONG: &str = "name = 'idle'\n[[workflows]]\nname = 'sleep'\ncommand = ['sleep', '600']\n";
const TRIALS: usize = 15;

/// `kill -9` of the gate that leads a job, then a cancel of that job at another gate until it is accepted.
pub(super) async fn gate_leader(cluster: &mut Cluster) -> anyhow::Result<()> {
    let mut samples = Samples::default();
    for _ in 0..TRIALS {
        samples.add(trial(cluster).await?);
    }
    println!("| kill -9 of a job's gate leader to the next accepted write | {} |", samples.line());
    Ok(())
}

async fn trial(cluster: &mut Cluster) -> anyhow::Result<Duration> {
    let job = cluster.submit(LONG).await?;
    cluster.running_shards(&job, 1).await?;
    let leader = cluster.leader(Role::Gate, &job).await?;
    let others: Vec<String> = cluster.names(Role::Gate).into_iter().filter(|name| *name != leader).collect();
    let client = cluster.client_of(&others)?;
    let clock = Clock::system();
    let started = clock.now();
    cluster.kill(&leader)?;
    client.cancel(&job, &CancelRequest::default()).await?;
    let took = started.elapsed();
    cluster.start_all().await?;
    cluster.finished(&job, Duration::from_secs(60)).await?;
    Ok(took)
}

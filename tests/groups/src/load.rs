//! Closed-loop clients.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::figures::Figures;

/// Failures of one run that are shown.
const SHOWN: usize = 5;

/// So many clients do `work` one after the other for so long; the first fifth is not counted.
pub async fn for_time<F, Fut>(clients: usize, lasting: Duration, work: F) -> Figures
where
    F: Fn(usize, u64) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let begun = now();
    let (counted, end) = (begun + lasting / 5, begun + lasting);
    let errors = AtomicUsize::new(0);
    let (work, failed) = (&work, &errors);
    let each = (0..clients).map(|client| one_client(work, client, (counted, end, failed)));
    let latencies = join_all(each).await.concat();
    Figures::new(latencies, end - counted, errors.load(Ordering::Relaxed))
}

async fn one_client<F, Fut>(
    work: &F,
    client: usize,
    (counted, end, failed): (Instant, Instant, &AtomicUsize),
) -> Vec<Duration>
where
    F: Fn(usize, u64) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let mut done = Vec::new();
    let mut number = 0;
    while now() < end {
        let start = now();
        match work(client, number).await {
            Ok(()) => done.push((start, now() - start)),
            Err(error) => note(&error, failed),
        }
        number += 1;
    }
    done.into_iter().filter(|(start, _)| *start >= counted).map(|(_, took)| took).collect()
}

/// So many clients share a number of pieces of work.
pub async fn of_number<F, Fut>(clients: usize, number: usize, work: F) -> Figures
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let (next, errors) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let begun = now();
    let (work, failed) = (&work, &errors);
    let each = (0..clients).map(|_| {
        let next = next.clone();
        async move {
            let mut latencies = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= number {
                    return latencies;
                }
                let start = now();
                match work(at).await {
                    Ok(()) => latencies.push(now() - start),
                    Err(error) => note(&error, failed),
                }
            }
        }
    });
    let latencies = join_all(each).await.concat();
    Figures::new(latencies, now() - begun, errors.load(Ordering::Relaxed))
}

/// The first failures are shown.
fn note(error: &anyhow::Error, failed: &AtomicUsize) {
    if failed.fetch_add(1, Ordering::Relaxed) < SHOWN {
        eprintln!("{error:#}");
    }
}

fn now() -> Instant {
    Instant::now()
}

//! Waiting for a level, with a deadline.

use std::future::Future;
use std::time::Duration;

/// How long anything may take on a busy machine before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until the answer is `Some`, or fails naming what was waited for and what was last seen.
pub async fn eventually<T, F, Fut>(what: &str, mut ask: F) -> anyhow::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    within(PATIENCE, what, &mut ask).await
}

/// [`eventually`] with a deadline of its own.
pub async fn within<T, F, Fut>(patience: Duration, what: &str, ask: &mut F) -> anyhow::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        let seen = match ask().await {
            Ok(value) => return Ok(value),
            Err(seen) => seen,
        };
        anyhow::ensure!(
            tokio::time::Instant::now() < deadline,
            "waited {patience:?} for {what}; last seen: {seen}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

//! Rests between the rounds of tasks that look at something now and then.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;

/// Rests until the next multiple of `every` since the process began, `every` at most. Rounds of different tasks fall on the
/// same instants: an idle process is woken once for all of them.
pub async fn rest(every: Duration) {
    tokio::time::sleep_until(next_round(Instant::now(), every)).await;
}

fn next_round(now: Instant, every: Duration) -> Instant {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let began = *BEGAN.get_or_init(|| now);
    let gone = now.saturating_duration_since(began);
    let into = gone.as_nanos() % every.as_nanos().max(1);
    now + every.saturating_sub(Duration::from_nanos(into as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_of_different_lengths_meet() {
        let [short, long] = [200, 1000].map(Duration::from_millis);
        let now = Instant::now();
        let met = next_round(now, long);
        assert!(met > now && met <= now + long);
        let before = met.checked_sub(Duration::from_millis(1)).unwrap();
        assert_eq!((next_round(before, short), next_round(met, short)), (met, met + short));
    }
}

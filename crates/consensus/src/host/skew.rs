//! A node whose wall clock is wrong says so; one whose clock is badly wrong does not lead: it would stamp entries, and
//! what it stamps is everybody's time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use muster_machine::Machine;
use muster_runtime::TaskKind;
use muster_wire::NodeRef;
use muster_wire::rpc::raft::AskClock;

use super::Host;

const SKEW: TaskKind = TaskKind::vital("clock_skew");
const EVERY: Duration = Duration::from_secs(5);
const WITHIN: Duration = Duration::from_secs(1);
/// An answer that took longer says too little, ms.
const ROUND_TRIP_MOST_MS: i64 = 500;
/// Off by more than this the node warns.
const WARN_MS: u64 = 2000;
/// Off by more than this from at least two others it does not lead.
const MOST_MS: u64 = 10_000;
const PEERS_LEAST: usize = 2;

pub(crate) fn start<M: Machine>(host: &Arc<Host<M>>) {
    let host = host.clone();
    let scope = host.scope().clone();
    scope.spawn_until_stop(SKEW, async move { host.compare_clocks().await });
}

impl<M: Machine> Host<M> {
    /// Is this node's clock so wrong that it must not lead?
    pub(crate) fn is_out_of_time(&self) -> bool {
        self.out_of_time.load(Ordering::Relaxed)
    }

    async fn compare_clocks(self: Arc<Self>) {
        loop {
            muster_runtime::rest(EVERY).await;
            let asked = self.peers().others().into_iter().map(|other| self.offset_of(other));
            let offsets: Vec<i64> = join_all(asked).await.into_iter().flatten().collect();
            self.judge_clock(&offsets);
            if self.is_out_of_time() {
                self.give_all_away().await;
            }
        }
    }

    /// How far another node's clock is ahead of this one's, ms.
    async fn offset_of(&self, other: NodeRef) -> Option<i64> {
        let begun_ms = signed(self.clock().unix_ms());
        let told = self.peers().links().call_node(&other, &AskClock {}, WITHIN).await.ok()?;
        let ended_ms = signed(self.clock().unix_ms());
        let is_quick = ended_ms - begun_ms <= ROUND_TRIP_MOST_MS;
        is_quick.then(|| signed(told.unix_ms) - (begun_ms + ended_ms) / 2)
    }

    fn judge_clock(&self, offsets: &[i64]) {
        let off_ms = offset(offsets);
        metrics::gauge!("muster_clock_offset_seconds").set(off_ms as f64 / 1000.0);
        let is_out = off_ms > MOST_MS && offsets.len() >= PEERS_LEAST;
        let was_out = self.out_of_time.swap(is_out, Ordering::Relaxed);
        match (off_ms > WARN_MS, was_out) {
            (true, _) => {
                tracing::warn!(off_ms, leads = !is_out, "this clock differs from that of most others")
            }
            (false, true) => tracing::info!(off_ms, "this node's clock is right again: it may lead"),
            (false, false) => {}
        }
    }
}

/// How far at least half of the others agree that this clock is off, ms. Never because of a few wrong ones.
fn offset(offsets: &[i64]) -> u64 {
    let mut distances: Vec<u64> = offsets.iter().map(|offset| offset.unsigned_abs()).collect();
    distances.sort_unstable();
    distances.get(distances.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::offset;

    #[test]
    fn one_wrong_clock_among_others_says_nothing_about_this_one() {
        assert_eq!(offset(&[30_000, 5]), 5);
        assert_eq!(offset(&[3, -60_000, 7, 9]), 7);
    }

    #[test]
    fn a_clock_that_most_others_find_wrong_is_wrong() {
        assert_eq!(offset(&[30_000, 30_010]), 30_000);
        assert_eq!(offset(&[-12_000, -12_001, 4]), 12_000);
    }

    #[test]
    fn a_node_alone_is_right() {
        assert_eq!(offset(&[]), 0);
    }
}

//! Kept links: dialled again for ever, pinged while idle.

use std::sync::Arc;
use std::time::Duration;

use muster_runtime::{Backoff, TaskKind};
use tokio::time::MissedTickBehavior;

use crate::connection::Connection;
use crate::event::DownCause;
use crate::links::Inner;
use crate::peers::Peer;
use crate::pipe::Close;

const KEEPER: TaskKind = TaskKind::new("link_keeper");

/// A link that lived shorter than this many first delays counts as a failed dial, so that a peer that accepts and
/// closes does not keep this node busy.
const SHORT_LIFE: u32 = 4;

/// Keeps the link of `peer` up until it is no longer kept or the node stops.
pub(crate) fn keep(inner: &Arc<Inner>, peer: &Arc<Peer>) {
    let stop = inner.scope.stop_token();
    let Some(kept) = peer.keep(&stop) else { return };
    let (inner, peer) = (inner.clone(), peer.clone());
    inner.clone().scope.spawn(KEEPER, |_| async move {
        kept.run_until_cancelled(keep_up(&inner, &peer)).await;
    });
}

async fn keep_up(inner: &Arc<Inner>, peer: &Arc<Peer>) {
    let mut backoff = Backoff::new(inner.config.redial_first, inner.config.redial_most);
    loop {
        match inner.connection_of(peer, Duration::ZERO).await {
            Ok(connection) => {
                let lived = attend(inner, &connection).await;
                lose_aside(inner, peer);
                after_life(lived, inner, &mut backoff).await;
            }
            Err(_) => tokio::time::sleep(backoff.next_delay()).await,
        }
    }
}

/// Nobody pings the second link to the peer. It goes with the first, or a large call over it would wait in vain.
fn lose_aside(inner: &Inner, peer: &Peer) {
    if let Some(aside) = inner.peers().aside(&peer.addr) {
        aside.close();
    }
}

/// A link that lived is dialled again at once: the refusal is the evidence that its process is gone.
async fn after_life(lived: Duration, inner: &Inner, backoff: &mut Backoff) {
    match lived > inner.config.redial_first * SHORT_LIFE {
        true => backoff.reset(),
        false => tokio::time::sleep(backoff.next_delay()).await,
    }
}

/// Pings the link while nothing comes from the peer; returns when the link has ended, with how long it lived.
async fn attend(inner: &Inner, connection: &Connection) -> Duration {
    let began = inner.clock.now();
    let pings = async {
        let mut watch = Watchman { heard: connection.pipe().heard(), lost: 0 };
        let mut ticks = tokio::time::interval_at(began + inner.config.ping_every, inner.config.ping_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while watch.look(connection) <= inner.config.pings_lost_max {
            ticks.tick().await;
        }
        connection.close(Close::Lost(DownCause::Silent));
        connection.ended.cancelled().await;
    };
    tokio::select! {
        () = connection.ended.cancelled() => {}
        () = pings => {}
    }
    inner.clock.now().saturating_duration_since(began)
}

/// Counts the pings since the peer was last heard. It counts pings, not time: after a stall of this process the
/// answers may still wait in the socket.
struct Watchman {
    heard: u64,
    lost: u32,
}

impl Watchman {
    /// Pings if the peer was not heard since the last look; gives the pings without an answer.
    fn look(&mut self, connection: &Connection) -> u32 {
        let heard = connection.pipe().heard();
        let is_quiet = heard == self.heard;
        self.heard = heard;
        self.lost = match is_quiet {
            true => self.lost + u32::from(connection.ping().is_ok()),
            false => 0,
        };
        self.lost
    }
}

//! Comparing views: digests first, then only the buckets that differ.
//!
//! ```text
//!   A ── Digest ──▶ B     one number a bucket of members
//!   A ◀─ Differ ── B      which buckets, and a proof that A has to send back
//!   A ── View…, Pull ──▶ B     A's members of these buckets, and the proof
//!   A ◀─ View… ── B       B's
//! ```
//!
//! Nobody who cannot receive at its address gets more than it has sent: the views come after the proof.

use std::hash::{DefaultHasher, Hasher as _};

use muster_wire::NodeId;

use crate::body::{Message, Refusal, Writer};

use super::timers::Timer;
use super::{Core, Peer, Target};

/// Members in a bucket, about.
const BUCKET_MEMBERS: usize = 16;
const BUCKETS_MAX: usize = 64;
/// Parts of views given per second; whoever gets none tries again.
const VIEWS_PER_SECOND: u32 = 64;
/// From this number of nodes on, comparisons and tries to reconnect get rarer.
const SMALL_CLUSTER: usize = 32;

/// How much was given lately.
#[derive(Default)]
pub(super) struct Giving {
    second: u64,
    views: u32,
}

impl Giving {
    fn may_give(&mut self, second: u64) -> bool {
        if self.second != second {
            *self = Self { second, views: 0 };
        }
        self.views += 1;
        self.views <= VIEWS_PER_SECOND
    }
}

fn hash(of: impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

fn bucket(id: NodeId, buckets: usize) -> usize {
    hash(id) as usize & (buckets - 1)
}

impl Core {
    /// Compares views with a random member.
    pub(super) fn sync_round(&mut self) {
        let rarer = 1 + (self.size() / SMALL_CLUSTER).checked_ilog2().map_or(0, |log| log + 1);
        self.timers.set(Timer::Sync, self.now + self.tuning.sync_interval * rarer);
        if let Some(id) = self.some_live(1, |_| true).pop() {
            let digest = self.digest();
            self.send_to_member(id, digest, &[]);
        }
    }

    pub(super) fn digest(&self) -> Message {
        let buckets = (self.size() / BUCKET_MEMBERS).next_power_of_two().clamp(1, BUCKETS_MAX);
        Message::Digest { digests: self.digests(buckets) }
    }

    /// Of the live only: the gone are forgotten at different times.
    fn digests(&self, buckets: usize) -> Vec<u64> {
        let mut digests = vec![0_u64; buckets];
        let others = self.table.iter().filter(|(_, peer)| peer.state.is_live());
        let me = (!self.leaving).then_some((self.id, &self.me));
        for (id, peer) in others.chain(me) {
            if let Some(digest) = digests.get_mut(bucket(id, buckets)) {
                *digest = digest.wrapping_add(digest_of(id, peer));
            }
        }
        digests
    }

    /// Where it differs. Equal views need no answer.
    pub(super) fn on_digest(&mut self, (from, sender): (Target, NodeId), theirs: &[u64]) {
        let mine = self.digests(theirs.len());
        let differing = mine.iter().zip(theirs).enumerate().filter(|(_, (mine, theirs))| mine != theirs);
        let mask = differing.fold(0_u64, |mask, (at, _)| mask | 1 << at);
        let proof = self.proof(&from);
        if mask != 0 {
            let differ = Message::Differ { buckets: theirs.len() as u8, mask, proof };
            self.send(from, (Some(sender), differ), &[]);
        }
    }

    /// What only the one at that address can know.
    fn proof(&self, at: &Target) -> u64 {
        hash((self.secret, at))
    }

    pub(super) fn on_differ(
        &mut self,
        (from, sender): (Target, NodeId),
        (buckets, mask, proof): (u8, u64, u64),
    ) {
        if !self.giving.may_give(self.now.as_secs()) {
            return self.drop_packet(Refusal::Busy);
        }
        self.send(from.clone(), (Some(sender), Message::Pull { buckets, mask, proof }), &[]);
        self.give_view((from, sender), (buckets, mask));
    }

    pub(super) fn on_pull(
        &mut self,
        (from, sender): (Target, NodeId),
        (buckets, mask, proof): (u8, u64, u64),
    ) {
        if proof != self.proof(&from) {
            return self.drop_packet(Refusal::Stranger);
        }
        match self.giving.may_give(self.now.as_secs()) {
            true => self.give_view((from, sender), (buckets, mask)),
            false => self.drop_packet(Refusal::Busy),
        }
    }

    fn give_view(&mut self, (to, receiver): (Target, NodeId), (buckets, mask): (u8, u64)) {
        let is_wanted = |id: NodeId| mask & (1 << bucket(id, usize::from(buckets))) != 0;
        let others = self.table.iter().map(|(id, _)| id);
        let wanted: Vec<_> = others.chain([self.id]).filter(|id| is_wanted(*id)).collect();
        let mut writer = Writer::new(&Message::View);
        for id in wanted {
            let Some(record) = self.view_record(id) else { continue };
            if !writer.push(&record) {
                let full = std::mem::replace(&mut writer, Writer::new(&Message::View));
                self.post(to.clone(), Some(receiver), full.finish().into());
                writer.push(&record);
            }
        }
        self.post(to, Some(receiver), writer.finish().into());
    }

    /// Rarer in large clusters, where the others try too.
    pub(super) fn reconnect_pause(&self) -> std::time::Duration {
        self.tuning.reconnect_interval * (self.size() / SMALL_CLUSTER).max(1) as u32
    }
}

fn digest_of(id: NodeId, peer: &Peer) -> u64 {
    hash((id, peer.generation, peer.incarnation, peer.meta_version))
}

#[cfg(test)]
pub(super) const VIEWS_MAX: u32 = VIEWS_PER_SECOND;

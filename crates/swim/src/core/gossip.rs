//! Packets: the records that must be in them first, then the news that is told least.

use std::sync::Arc;

use muster_wire::NodeId;

use crate::body::{Message, Record, Writer};
use crate::frame::{BODY_BYTES_MAX, Envelope};
use crate::model::State;

use super::queue::Manner;
use super::timers::Timer;
use super::{Core, Effect, Peer, Target};

/// Quick rounds of hasty news; the usual number comes after them, for they may all fall into one gap.
const HASTY_ROUNDS: u32 = 2;
/// Below this room no record is tried any more.
const ROOM_MIN: usize = 24;

impl Core {
    pub(super) fn gossip_round(&mut self) {
        self.timers.set(Timer::Gossip, self.now + self.gossip_pause());
        self.review_mass();
        if self.queue.is_empty() {
            return;
        }
        let told = self.some_live(self.tuning.gossip_nodes, |_| true);
        told.into_iter().for_each(|id| self.send_to_member(id, Message::Gossip, &[]));
    }

    fn gossip_pause(&self) -> std::time::Duration {
        match self.is_hasty() {
            true => self.tuning.haste_interval,
            false => self.tuning.gossip_interval,
        }
    }

    /// Somebody is gone, and it was told in the first few rounds only.
    fn is_hasty(&self) -> bool {
        self.queue.is_hasty(HASTY_ROUNDS * self.tuning.gossip_nodes as u32)
    }

    /// Begins to tell hasty news now.
    pub(super) fn hasten(&mut self) {
        if self.is_hasty() {
            let soon = self.now + self.tuning.haste_interval / 4;
            self.timers.set_earlier(Timer::Gossip, soon);
        }
    }

    pub(super) fn send_to_member(&mut self, id: NodeId, message: Message, first: &[NodeId]) {
        let Some(peer) = self.table.get(id) else { return };
        let to = Target::Name(peer.meta.swim.clone());
        self.send(to, (Some(id), message), first);
    }

    /// One packet: `first` are told whatever was told before, then comes what fits of the news.
    pub(super) fn send(
        &mut self,
        to: Target,
        (receiver, message): (Option<NodeId>, Message),
        first: &[NodeId],
    ) {
        let body = self.body(&message, first);
        self.post(to, receiver, body);
    }

    pub(super) fn body(&mut self, message: &Message, first: &[NodeId]) -> Arc<[u8]> {
        let mut writer = Writer::new(message);
        for record in first.iter().filter_map(|id| self.first_record(*id)) {
            writer.push(&record);
        }
        self.add_news(&mut writer, first);
        writer.finish().into()
    }

    pub(super) fn post(&mut self, to: Target, receiver: Option<NodeId>, body: Arc<[u8]>) {
        let envelope = self.envelope(receiver);
        self.out.push(Effect::Send { to, envelope, body });
    }

    fn envelope(&self, receiver: Option<NodeId>) -> Envelope {
        let peer = receiver.and_then(|id| self.table.get(id));
        Envelope { to: receiver, is_short: peer.is_some_and(|peer| peer.knows_me) }
    }

    fn add_news(&mut self, writer: &mut Writer, first: &[NodeId]) {
        if self.queue.is_empty() {
            return;
        }
        let news = self.queue.order().into_iter().filter(|id| !first.contains(id));
        for id in news {
            if writer.room() < ROOM_MIN {
                return;
            }
            self.add_one(writer, (id, self.tellings(id)));
        }
    }

    /// How often news is told; the first rounds of hasty news come on top.
    fn tellings(&self, id: NodeId) -> u32 {
        let usual = self.tuning.retransmits(self.size());
        match self.queue.manner(id) {
            Some(Manner::Hasty) => usual + HASTY_ROUNDS * self.tuning.gossip_nodes as u32,
            _ => usual,
        }
    }

    fn add_one(&mut self, writer: &mut Writer, (id, most): (NodeId, u32)) {
        let Some(record) = self.news_record(id) else { return self.queue.remove(id) };
        if writer.push(&record) {
            self.queue.told(id, most);
        }
    }

    fn peer(&self, id: NodeId) -> Option<&Peer> {
        match id == self.id {
            true => Some(&self.me),
            false => self.table.get(id),
        }
    }

    fn news_record(&self, id: NodeId) -> Option<Record> {
        let is_full = self.queue.manner(id) == Some(Manner::Full);
        self.peer(id).map(|peer| if is_full { peer.full(id) } else { peer.brief(id) })
    }

    /// This node introduces itself in full; of others the receiver knows who they are.
    fn first_record(&self, id: NodeId) -> Option<Record> {
        match id == self.id {
            true => Some(self.me.full(id)),
            false => self.table.get(id).map(|peer| peer.brief(id)),
        }
    }

    /// The live in full, the gone in brief.
    pub(super) fn view_record(&self, id: NodeId) -> Option<Record> {
        let peer = self.peer(id)?;
        Some(match peer.state {
            State::Alive | State::Suspect => peer.full(id),
            State::Dead | State::Left => peer.brief(id),
        })
    }
}

const _: () = assert!(BODY_BYTES_MAX > crate::model::META_BYTES_MAX * 2 + 200);

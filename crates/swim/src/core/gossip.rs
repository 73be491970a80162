//! Packets: the records that must be in them first, then the news that is told least.

use muster_wire::NodeId;

use crate::model::State;
use crate::packet::{Envelope, Message, PACKET_BYTES_MAX, Record, Writer};

use super::timers::Timer;
use super::{Core, Effect, Target};

/// Below this room no record is tried any more.
const ROOM_MIN: usize = 48;

impl Core {
    pub(super) fn gossip_round(&mut self) {
        self.timers.set(Timer::Gossip, self.now + self.tuning.gossip_interval);
        if self.queue.is_empty() {
            return;
        }
        let told = self.some_live(self.tuning.gossip_nodes, |_| true);
        told.into_iter().for_each(|id| self.gossip_to(id));
    }

    pub(super) fn gossip_to(&mut self, id: NodeId) {
        self.send_to_member(id, Message::Gossip {}, &[]);
    }

    pub(super) fn send_to_member(&mut self, id: NodeId, message: Message, first: &[NodeId]) {
        let Some(peer) = self.table.get(id) else { return };
        let to = Target::Name(peer.meta.swim.clone());
        self.send(to, message, first);
    }

    /// One packet: `first` are told whatever was told before, then comes what fits of the news.
    pub(super) fn send(&mut self, to: Target, message: Message, first: &[NodeId]) {
        let Some(mut writer) = self.writer(message) else { return };
        for record in first.iter().filter_map(|id| self.gossip_record(*id)) {
            writer.push(&record);
        }
        self.add_news(&mut writer, first);
        self.out.push(Effect::Send { to, bytes: writer.finish() });
    }

    pub(super) fn writer(&self, message: Message) -> Option<Writer> {
        let envelope = Envelope { from: self.id, generation: self.me.generation, message };
        Writer::new(self.cluster, &envelope).ok()
    }

    fn add_news(&mut self, writer: &mut Writer, first: &[NodeId]) {
        let most = self.tuning.retransmits(self.size());
        let news = self.queue.order().into_iter().filter(|id| !first.contains(id));
        for id in news {
            if writer.room() < ROOM_MIN {
                return;
            }
            self.add_one(writer, (id, most));
        }
    }

    fn add_one(&mut self, writer: &mut Writer, (id, most): (NodeId, u32)) {
        let Some(record) = self.gossip_record(id) else { return self.queue.remove(id) };
        if writer.push(&record) {
            self.queue.told(id, most);
        }
    }

    /// The live are told with metadata: for some it is the first they hear of them.
    fn gossip_record(&self, id: NodeId) -> Option<Record> {
        if id == self.id {
            return Some(self.my_record());
        }
        let peer = self.table.get(id)?;
        Some(match peer.state {
            State::Alive => peer.full(id),
            State::Suspect | State::Dead | State::Left => peer.brief(id),
        })
    }

    pub(super) fn my_record(&self) -> Record {
        self.me.full(self.id)
    }

    /// The view in at most `most` packets, this node first, from a random place on.
    pub(super) fn view_packets(&mut self, message: Message, most: usize) -> Vec<Vec<u8>> {
        let records = self.view_records();
        let mut packets = Vec::new();
        let mut rest = records.as_slice();
        while !rest.is_empty() && packets.len() < most {
            let Some(mut writer) = self.writer(message.clone()) else { break };
            let fitting = rest.iter().take_while(|record| writer.push(record)).count();
            packets.push(writer.finish());
            rest = rest.get(fitting.max(1)..).unwrap_or_default();
        }
        packets
    }

    fn view_records(&mut self) -> Vec<Record> {
        let mut others: Vec<_> = self.table.iter().map(|(id, peer)| self.view_record(id, peer)).collect();
        let start = self.random_below(others.len());
        others.rotate_left(start);
        others.insert(0, self.my_record());
        others
    }

    fn view_record(&self, id: NodeId, peer: &super::Peer) -> Record {
        match peer.state.is_live() {
            true => peer.full(id),
            false => peer.brief(id),
        }
    }
}

const _: () = assert!(PACKET_BYTES_MAX > crate::model::META_BYTES_MAX * 2);

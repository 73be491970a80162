//! The messages. Tags are never used again for something else.

use muster_wire::{Generation, NodeId};

use super::bytes::{Reader, put_id, put_varint};

/// Digests in one comparison at most: they are a bit mask's bits.
pub(crate) const BUCKETS_MAX: usize = 64;

/// What one packet asks or answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// Are you there? The frame says who is meant; others cannot open it.
    Ping {
        /// Comes back in the answer.
        seq: u64,
    },
    /// Yes.
    Ack {
        /// Of the question.
        seq: u64,
        /// The asked node does not know the asker.
        stranger: bool,
    },
    /// Please ping that one for me.
    PingReq {
        /// Comes back in the answer.
        seq: u64,
        /// Whom to ping.
        target: NodeId,
    },
    /// The one that I was to ping has answered.
    Relayed {
        /// Of the question.
        seq: u64,
        /// Who answered.
        about: NodeId,
        /// Its process.
        generation: Generation,
    },
    /// I am here, but the one that I was to ping has not answered.
    Nack {
        /// Of the question.
        seq: u64,
        /// Who did not answer.
        about: NodeId,
    },
    /// Only records.
    Gossip,
    /// My view in digests, one a bucket: tell me where yours differs.
    Digest {
        /// One a bucket; their number is a power of two up to 64.
        digests: Vec<u64>,
    },
    /// These buckets differ. With your `proof` back I send mine.
    Differ {
        /// How many buckets there are.
        buckets: u8,
        /// One bit for each that differs.
        mask: u64,
        /// What the asker has to send back: shows that it is where it says.
        proof: u64,
    },
    /// Send me these buckets; mine come beside this.
    Pull {
        /// How many buckets there are.
        buckets: u8,
        /// One bit for each that is wanted.
        mask: u64,
        /// From [`Message::Differ`].
        proof: u64,
    },
    /// A part of a view.
    View,
}

impl Message {
    const fn tag(&self) -> u8 {
        match self {
            Self::Ping { .. } => 0,
            Self::Ack { stranger: false, .. } => 1,
            Self::Ack { stranger: true, .. } => 2,
            Self::PingReq { .. } => 3,
            Self::Relayed { .. } => 4,
            Self::Nack { .. } => 5,
            Self::Gossip => 6,
            Self::Digest { .. } => 7,
            Self::Differ { .. } => 8,
            Self::Pull { .. } => 9,
            Self::View => 10,
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.tag());
        match self {
            Self::Ping { seq } | Self::Ack { seq, .. } => put_varint(out, *seq),
            Self::PingReq { seq, target: about } | Self::Nack { seq, about } => put_about(out, *seq, *about),
            Self::Relayed { seq, about, generation } => put_relayed(out, (*seq, *about), *generation),
            Self::Gossip | Self::View => (),
            Self::Digest { digests } => put_digests(out, digests),
            Self::Differ { buckets, mask, proof } | Self::Pull { buckets, mask, proof } => {
                put_buckets(out, *buckets, (*mask, *proof))
            }
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        match from.byte()? {
            0 => from.varint().map(|seq| Self::Ping { seq }),
            1 => from.varint().map(|seq| Self::Ack { seq, stranger: false }),
            2 => from.varint().map(|seq| Self::Ack { seq, stranger: true }),
            3 => read_about(from).map(|(seq, target)| Self::PingReq { seq, target }),
            4 => read_relayed(from),
            5 => read_about(from).map(|(seq, about)| Self::Nack { seq, about }),
            6 => Some(Self::Gossip),
            7 => read_digests(from),
            8 => read_buckets(from).map(|(buckets, mask, proof)| Self::Differ { buckets, mask, proof }),
            9 => read_buckets(from).map(|(buckets, mask, proof)| Self::Pull { buckets, mask, proof }),
            10 => Some(Self::View),
            _ => None,
        }
    }
}

fn put_about(out: &mut Vec<u8>, seq: u64, about: NodeId) {
    put_varint(out, seq);
    put_id(out, about);
}

fn read_about(from: &mut Reader<'_>) -> Option<(u64, NodeId)> {
    Some((from.varint()?, from.id()?))
}

fn put_relayed(out: &mut Vec<u8>, (seq, about): (u64, NodeId), generation: Generation) {
    put_about(out, seq, about);
    put_varint(out, generation.0);
}

fn read_relayed(from: &mut Reader<'_>) -> Option<Message> {
    let (seq, about) = read_about(from)?;
    Some(Message::Relayed { seq, about, generation: Generation(from.varint()?) })
}

fn put_digests(out: &mut Vec<u8>, digests: &[u64]) {
    out.push(digests.len() as u8);
    digests.iter().for_each(|digest| out.extend_from_slice(&digest.to_be_bytes()));
}

fn read_digests(from: &mut Reader<'_>) -> Option<Message> {
    let count = checked_buckets(from.byte()?)?;
    let digests: Option<Vec<u64>> = (0..count).map(|_| from.u64()).collect();
    Some(Message::Digest { digests: digests? })
}

fn put_buckets(out: &mut Vec<u8>, buckets: u8, (mask, proof): (u64, u64)) {
    out.push(buckets);
    put_varint(out, mask);
    out.extend_from_slice(&proof.to_be_bytes());
}

fn read_buckets(from: &mut Reader<'_>) -> Option<(u8, u64, u64)> {
    Some((checked_buckets(from.byte()?)?, from.varint()?, from.u64()?))
}

fn checked_buckets(buckets: u8) -> Option<u8> {
    (buckets.is_power_of_two() && usize::from(buckets) <= BUCKETS_MAX).then_some(buckets)
}

//! `swim-fuzz [SECONDS] [SEED]`: random input for everything that reads packets, on one core, for a while. Arbitrary
//! bytes as datagrams, damaged real datagrams, well sealed arbitrary content, and well-formed content of an insider
//! who makes everything up, in random order with time passing. It fails on a panic, on more than 64 KiB taken for one
//! packet, and on memory that grows without bound; it prints its seed.

use std::time::{Duration, Instant};

use muster_swim::body::{self, Message, Record, Writer};
use muster_swim::core::{Core, Effect, Input, Target};
use muster_swim::frame::{Envelope, Framer, PACKET_BYTES_MAX, Sender};
use muster_swim::sim::{Setup, address, node_id};
use muster_swim::{Evidence, KeyRing, LeaveReason, Meta, Profile, State};
use muster_wire::{Generation, NodeId};
use peak_alloc::PeakAlloc;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// For one packet.
const TAKEN_MAX: usize = 64 * 1024;
/// For everything after a thousand forged members.
const HELD_MAX: usize = 64 * 1024 * 1024;
/// Forged nodes.
const NODES: u128 = 1000;

struct Fuzz {
    rng: StdRng,
    now: Duration,
    core: Core,
    framer: Framer,
    insider: Framer,
    taken_most: usize,
    packets: u64,
    opened: u64,
}

fn ring() -> KeyRing {
    KeyRing::parse(&format!("1 {}", "5a".repeat(32))).unwrap()
}

fn core(rng: &mut StdRng) -> Core {
    let setup = Setup { place: 1, generation: 1, seeds: vec![2, 3], tuning: Profile::Lan.tuning() };
    Core::new(&setup.config(), (rng.random(), Duration::ZERO))
}

impl Fuzz {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let sender = |place| Sender { id: node_id(place), generation: Generation(1) };
        Self {
            core: core(&mut rng),
            rng,
            now: Duration::ZERO,
            framer: Framer::new(sender(1), "sim", (ring(), 0)),
            insider: Framer::new(sender(2), "sim", (ring(), 0)),
            taken_most: 0,
            packets: 0,
            opened: 0,
        }
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.rng.random_range(0..most);
        (0..length).map(|_| self.rng.random()).collect()
    }

    fn id(&mut self) -> NodeId {
        NodeId(self.rng.random_range(0..NODES))
    }

    fn message(&mut self) -> Message {
        let (seq, about, generation) =
            (self.rng.random_range(0..5000), self.id(), Generation(self.rng.random_range(0..3)));
        let (buckets, mask, proof) = (1 << self.rng.random_range(0..7), self.rng.random(), self.rng.random());
        match self.rng.random_range(0..10) {
            0 => Message::Ping { seq },
            1 => Message::Ack { seq, stranger: self.rng.random() },
            2 => Message::PingReq { seq, target: about },
            3 => Message::Relayed { seq, about, generation },
            4 => Message::Nack { seq, about },
            5 => Message::Digest { digests: (0..buckets).map(|_| self.rng.random()).collect() },
            6 => Message::Differ { buckets, mask, proof },
            7 => Message::Pull { buckets, mask, proof },
            8 => Message::View,
            _ => Message::Gossip,
        }
    }

    fn record(&mut self) -> Record {
        let meta = Meta {
            name: "x".repeat(self.rng.random_range(0..200)),
            swim: format!("10.9.9.9:{}", self.rng.random_range(0..9)),
            ..Meta::default()
        };
        let incarnation = if self.rng.random() { self.rng.random_range(0..5) } else { self.rng.random() };
        Record {
            id: self.id(),
            generation: Generation(if self.rng.random_bool(0.01) {
                self.rng.random()
            } else {
                self.rng.random_range(0..3)
            }),
            incarnation,
            state: State::ALL[self.rng.random_range(0..4)],
            meta_version: self.rng.random_range(0..9),
            by: self.rng.random::<bool>().then(|| NodeId(7)),
            reason: self.rng.random::<bool>().then_some(LeaveReason::Drain),
            meta: self.rng.random::<bool>().then(|| meta.into()),
        }
    }

    fn well_formed(&mut self) -> Vec<u8> {
        let mut writer = Writer::new(&self.message());
        for _ in 0..self.rng.random_range(0..6) {
            writer.push(&self.record());
        }
        writer.finish()
    }

    fn datagram(&mut self) -> Vec<u8> {
        match self.rng.random_range(0..4) {
            0 => self.bytes(PACKET_BYTES_MAX + 100),
            1 => {
                let body = self.well_formed();
                let mut damaged = self.wrap(&body);
                let at = self.rng.random_range(0..damaged.len());
                damaged[at] ^= 1 << self.rng.random_range(0..8);
                damaged
            }
            2 => {
                let body = self.bytes(1200);
                self.wrap(&body)
            }
            _ => {
                let body = self.well_formed();
                self.wrap(&body)
            }
        }
    }

    fn wrap(&mut self, body: &[u8]) -> Vec<u8> {
        let envelope =
            Envelope { to: self.rng.random::<bool>().then(|| node_id(1)), is_short: self.rng.random() };
        self.insider.wrap(envelope, body)
    }

    /// One datagram through everything.
    fn packet(&mut self) {
        let datagram = self.datagram();
        let plain = self.well_formed();
        let damaged = {
            let mut bytes = plain.clone();
            let at = self.rng.random_range(0..bytes.len());
            bytes[at] = self.rng.random();
            bytes
        };
        self.packets += 1;
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let core = &self.core;
        let opened = self.framer.unwrap(&datagram, |alias| core.by_alias(alias));
        let content = opened.as_ref().map_or(&damaged, |(_, body)| body);
        let wants_view = match body::open(content) {
            Ok((message, records)) => {
                records.for_each(drop);
                matches!(message, Message::Differ { .. } | Message::Pull { .. })
            }
            Err(_) => false,
        };
        self.check(before, "reading");
        if let Ok((sender, body)) = opened {
            self.opened += 1;
            let before = MEMORY.current_usage();
            MEMORY.reset_peak_usage();
            self.feed(Input::Packet { from: Target::Address(address(2)), sender, body });
            if !wants_view {
                self.check(before, "handling");
            }
        }
    }

    fn check(&mut self, before: usize, what: &str) {
        let taken = MEMORY.peak_usage().saturating_sub(before);
        self.taken_most = self.taken_most.max(taken);
        assert!(taken <= TAKEN_MAX, "{what} one packet took {taken} bytes");
    }

    fn feed(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.core.on(input, self.now, &mut effects);
        for effect in effects {
            if let Effect::Send { body, .. } = effect {
                assert!(body::open(&body).is_ok(), "it sent what nobody can read");
            }
        }
    }

    fn step(&mut self) {
        match self.rng.random_range(0..40) {
            0 => {
                self.now += Duration::from_millis(self.rng.random_range(0..2000));
                self.feed(Input::Timer);
            }
            1 => {
                let evidence =
                    [Evidence::RpcOk, Evidence::RpcFail, Evidence::Refused][self.rng.random_range(0..3)];
                let id = self.id();
                self.feed(Input::Evidence(id, evidence));
            }
            _ => self.packet(),
        }
        if self.rng.random_ratio(1, 200_000) {
            self.core = core(&mut self.rng);
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(600);
    let seed: u64 =
        arguments.next().and_then(|text| text.parse().ok()).unwrap_or_else(|| rand::rng().random());
    println!("seed {seed}, {seconds} s");
    let mut fuzz = Fuzz::new(seed);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut held_most = 0;
    while Instant::now() < end {
        (0..1000).for_each(|_| fuzz.step());
        held_most = held_most.max(MEMORY.current_usage());
        assert!(held_most <= HELD_MAX, "{held_most} bytes are held");
    }
    println!(
        "{} packets, {} of them opened; at most {} bytes for one packet, at most {} KiB held",
        fuzz.packets,
        fuzz.opened,
        fuzz.taken_most,
        held_most / 1024
    );
}

//! What is on disk for one group: the replay of its records, with the place of each live one.

use std::collections::BTreeMap;

use crate::{
    Damage, GroupKey, LogId, Snapshot, Vote,
    format::{COPY, ENTRY, Op, STATE, State},
    slots::{Place, Slot, Slots},
    usage::{Kept, Usage},
};

/// One group as its durable records tell it.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) created: Option<Kept<()>>,
    pub(crate) vote: Option<Kept<Vote>>,
    pub(crate) purged: Option<Kept<LogId>>,
    pub(crate) committed: Option<Kept<LogId>>,
    pub(crate) snapshot: Option<Kept<Box<Snapshot>>>,
    pub(crate) evicted: Option<Kept<Option<u64>>>,
    pub(crate) entries: Slots,
    /// A record says that this life was found damaged.
    marked: Option<Kept<u64>>,
    /// Damaged records by their kind, until a newer one of that kind stands in for them.
    hurt: BTreeMap<u8, Place>,
}

impl Trace {
    pub(crate) fn apply(&mut self, op: &Op, place: Place, usage: &mut Usage) {
        match op {
            Op::Entry(entry) => self.put(entry.id, place, usage),
            Op::Copy(entry) => self.fill(entry.id, Slot { place, ..slot(entry.id) }, usage),
            Op::Truncate(from) => self.truncate(*from, usage),
            Op::Purge(id) => self.purge(*id, place, usage),
            Op::State(state) => self.replace_all(state, place, usage),
            Op::Hurt(tag, id) => self.be_hurt((*tag, *id), place, usage),
            Op::Damaged(last) => self.be_marked(*last, place, usage),
            Op::Tombstone | Op::Seal => {}
            _ => self.set(op, place, usage),
        }
    }

    fn set(&mut self, op: &Op, place: Place, usage: &mut Usage) {
        self.heal(op.tag(), usage);
        match op {
            Op::Vote(vote) => usage.replace(&mut self.vote, kept(*vote, place)),
            Op::Committed(id) => usage.replace(&mut self.committed, kept(*id, place)),
            Op::Snapshot(snapshot) => {
                usage.replace(&mut self.snapshot, kept(Box::new(snapshot.clone()), place))
            }
            Op::Evict(due_ms) => usage.replace(&mut self.evicted, kept(*due_ms, place)),
            _ => usage.replace(&mut self.created, kept((), place)),
        }
    }

    /// A new entry ends what stood at and above its index, and an eviction: the group was awake.
    fn put(&mut self, id: LogId, place: Place, usage: &mut Usage) {
        usage.release_kept(self.evicted.take());
        let slot = Slot { place, ..slot(id) };
        if self.entries.push(id.index, slot) {
            return usage.hold_place(place);
        }
        self.truncate(id.index, usage);
        self.fill(id, slot, usage);
    }

    /// A copy stands in for its own original only: an entry of the same index but another leader stays.
    fn fill(&mut self, id: LogId, slot: Slot, usage: &mut Usage) {
        if self.entries.get(id.index).is_some_and(|there| !there.is(id)) {
            return;
        }
        if !self.entries.can_hold(id.index) {
            return self.be_hurt((STATE, id), slot.place, usage);
        }
        usage.hold_place(slot.place);
        usage.release_places(self.entries.put(id.index, slot).map(|old| old.place));
    }

    fn truncate(&mut self, from: u64, usage: &mut Usage) {
        usage.release_places(self.entries.truncate(from).iter().map(|slot| slot.place));
    }

    fn purge(&mut self, id: LogId, place: Place, usage: &mut Usage) {
        usage.release_places(self.entries.purge(id.index).iter().map(|slot| slot.place));
        usage.replace(&mut self.purged, kept(id, place));
    }

    /// Each part holds a share of the one record, so that the segment lives as long as any of them.
    fn replace_all(&mut self, state: &State, place: Place, usage: &mut Usage) {
        self.release_heads(usage);
        self.heal_all(usage);
        usage.replace(&mut self.created, kept((), place));
        let part = |usage: &mut Usage| usage.hold(place.number(), 1);
        self.vote = state.vote.map(|vote| share(vote, place)).inspect(|_| part(usage));
        self.purged = state.purged.map(|id| share(id, place)).inspect(|_| part(usage));
        self.committed = state.committed.map(|id| share(id, place)).inspect(|_| part(usage));
        self.snapshot =
            state.snapshot.clone().map(|one| share(Box::new(one), place)).inspect(|_| part(usage));
        self.evicted = state.evicted.map(|due_ms| share(due_ms, place)).inspect(|_| part(usage));
    }

    fn be_hurt(&mut self, (tag, id): (u8, LogId), place: Place, usage: &mut Usage) {
        let hurt = Slot { place, hurt: true, ..slot(id) };
        match tag {
            ENTRY => {
                self.truncate(id.index, usage);
                self.fill(id, hurt, usage);
            }
            COPY => self.fill(id, hurt, usage),
            _ => {
                usage.hold_place(place);
                self.heal(tag, usage);
                self.hurt.insert(tag, place);
            }
        }
    }

    /// A newer record stands in for the damaged one of its kind.
    fn heal(&mut self, tag: u8, usage: &mut Usage) {
        usage.release_places(self.hurt.remove(&tag));
    }

    fn heal_all(&mut self, usage: &mut Usage) {
        usage.release_places(std::mem::take(&mut self.hurt).into_values());
    }

    /// Nothing of a life that is known to be damaged is needed but that.
    fn be_marked(&mut self, last: u64, place: Place, usage: &mut Usage) {
        self.release(usage);
        usage.replace(&mut self.marked, kept(last, place));
    }

    fn release_heads(&mut self, usage: &mut Usage) {
        usage.release_kept(self.created.take());
        usage.release_kept(self.vote.take());
        usage.release_kept(self.purged.take());
        usage.release_kept(self.committed.take());
        usage.release_kept(self.snapshot.take());
        usage.release_kept(self.evicted.take());
    }

    /// The group is gone.
    pub(crate) fn release(&mut self, usage: &mut Usage) {
        self.release_heads(usage);
        usage.release_kept(self.marked.take());
        usage.release_places(self.entries.drain().map(|slot| slot.place));
        self.heal_all(usage);
    }

    /// Everything but the entries.
    pub(crate) fn state(&self) -> State {
        State {
            vote: self.vote.as_ref().map(|kept| kept.value),
            purged: self.purged.as_ref().map(|kept| kept.value),
            committed: self.committed.as_ref().map(|kept| kept.value),
            snapshot: self.snapshot.as_ref().map(|kept| (*kept.value).clone()),
            evicted: self.evicted.as_ref().map(|kept| kept.value),
        }
    }

    /// Whether anything but entries is in the segment.
    pub(crate) fn has_heads_in(&self, segment: u64) -> bool {
        self.head_segments().any(|held_in| held_in == segment)
    }

    fn head_segments(&self) -> impl Iterator<Item = u64> {
        let ids = self.purged.iter().chain(&self.committed).map(|kept| kept.segment);
        let small =
            self.created.iter().map(|kept| kept.segment).chain(self.vote.iter().map(|kept| kept.segment));
        let snapshot = self.snapshot.iter().map(|kept| kept.segment);
        let heads = ids.chain(small).chain(snapshot).chain(self.evicted.iter().map(|kept| kept.segment));
        heads.map(u64::from)
    }

    /// The oldest segment that holds anything of it.
    pub(crate) fn oldest_segment(&self) -> Option<u64> {
        let entries = self.entries.iter().map(|(_, slot)| slot.place.number());
        self.head_segments().chain(entries).min()
    }

    /// Whether the record must be written that keeps a damaged life known once the segment is gone.
    pub(crate) fn needs_mark(&self, segment: u64) -> bool {
        let in_entries = self.entries.iter().any(|(_, slot)| slot.place.number() == segment);
        let in_heads =
            self.has_heads_in(segment) || self.hurt.values().any(|place| place.number() == segment);
        in_entries || in_heads || self.marked.as_ref().is_some_and(|kept| u64::from(kept.segment) == segment)
    }

    /// What of this life is damaged, or cannot be without records that are not there: everything needs the group's
    /// creation, and each entry the one before it, down to what was purged.
    pub(crate) fn damage(&self, key: GroupKey) -> Option<Damage> {
        self.marked_damage(key).or_else(|| self.hurt_damage(key)).or_else(|| self.missing(key))
    }

    fn marked_damage(&self, key: GroupKey) -> Option<Damage> {
        let mark = self.marked.as_ref()?;
        let place = Place { segment: mark.segment, ..Place::default() };
        Some(damage(key, (place, "it was found damaged before"), (0, mark.value)))
    }

    fn hurt_damage(&self, key: GroupKey) -> Option<Damage> {
        let mut entries = self.entries.iter().filter(|(_, slot)| slot.hurt);
        if let Some((first, slot)) = entries.next() {
            let last = entries.last().map_or(first, |(last, _)| last);
            return Some(damage(key, (slot.place, "the checksum of an entry does not hold"), (first, last)));
        }
        let (tag, place) = self.hurt.first_key_value()?;
        let what = match *tag {
            STATE => "the checksum of the group's state does not hold",
            _ => "the checksum of a vote or a snapshot's record does not hold",
        };
        Some(damage(key, (*place, what), (0, 0)))
    }

    fn missing(&self, key: GroupKey) -> Option<Damage> {
        let somewhere = self.entries.iter().next().map_or(Place::default(), |(_, slot)| slot.place);
        if self.created.is_none() {
            return Some(damage(key, (somewhere, "the group's creation is missing"), (0, 0)));
        }
        let purged = self.purged.as_ref().map(|kept| kept.value.index);
        let gap = self.entries.gap(purged)?;
        Some(damage(key, (somewhere, "entries are missing"), (gap, gap)))
    }
}

fn slot(id: LogId) -> Slot {
    Slot { term: id.term, origin: id.origin, ..Slot::default() }
}

fn kept<T>(value: T, place: Place) -> Kept<T> {
    Kept { value, segment: place.segment, bytes: place.bytes() as u32 }
}

fn share<T>(value: T, place: Place) -> Kept<T> {
    Kept { value, segment: place.segment, bytes: 1 }
}

fn damage(key: GroupKey, (place, what): (Place, &'static str), (first, last): (u64, u64)) -> Damage {
    Damage { key, segment: place.number(), offset: place.offset.into(), first, last, what }
}

//! What the queue takes in, and how full the log says it is.

use std::sync::Arc;

use crate::{Level, Options, WalError, space::Space};

/// One group may hold this part of the queue.
const GROUP_SHARE: usize = 4;
/// From these parts of the queue's bounds on the level rises, in percent.
const LEVELS: [(u64, Level); 3] = [(95, Level::Reject), (85, Level::Batch), (70, Level::Throttle)];
/// When no further segment can be made, this part of a segment is kept for votes, truncations and removals.
const RESERVED_PART: u64 = 4;
/// And at most this many bytes.
const RESERVED_BYTES_MAX: u64 = 16 << 20;

/// What waits, or what one item adds to that.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Load {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
    /// Bytes on disk if every item gets a batch of its own.
    pub(crate) room: u64,
}

impl Load {
    pub(crate) fn add(&mut self, other: &Load) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.room += other.room;
    }

    pub(crate) fn remove(&mut self, other: &Load) {
        self.records -= other.records;
        self.bytes -= other.bytes;
        self.room -= other.room;
    }

    fn is_empty(&self) -> bool {
        self.records == 0
    }
}

/// The queue's bounds and the disk's.
#[derive(Debug)]
pub(crate) struct Gate {
    bytes_max: usize,
    records_max: usize,
    reserved_bytes: u64,
    space: Arc<Space>,
}

impl Gate {
    pub(crate) fn new(options: &Options, space: Arc<Space>) -> Self {
        Self {
            bytes_max: options.queue_bytes_max,
            records_max: options.queue_records_max,
            reserved_bytes: (options.segment_bytes / RESERVED_PART).min(RESERVED_BYTES_MAX),
            space,
        }
    }

    /// Entries: an empty queue takes any, and each group at least one item, so that nothing is refused for ever; but the
    /// last bytes of a full disk are not for them.
    pub(crate) fn admit(&self, load: &Load, item: &Load, queued: usize) -> Result<(), WalError> {
        let refused = self.is_full(load, item) || self.is_unfair(item, queued);
        match refused || !self.has_room(load, item, self.reserved_bytes) {
            true => Err(busy(load)),
            false => Ok(()),
        }
    }

    fn is_full(&self, load: &Load, item: &Load) -> bool {
        let bytes = load.bytes + item.bytes > self.bytes_max;
        !load.is_empty() && (bytes || load.records + item.records > self.records_max)
    }

    fn is_unfair(&self, item: &Load, queued: usize) -> bool {
        queued > 0 && queued + item.bytes > self.bytes_max / GROUP_SHARE
    }

    /// Votes, truncations and removals: refused only when a full disk has no byte for them.
    pub(crate) fn admit_reserved(&self, load: &Load, item: &Load) -> Result<(), WalError> {
        match self.has_room(load, item, 0) {
            true => Ok(()),
            false => Err(busy(load)),
        }
    }

    fn has_room(&self, load: &Load, item: &Load, reserved: u64) -> bool {
        self.space.room().is_none_or(|room| load.room + item.room + reserved <= room)
    }

    pub(crate) fn level(&self, load: &Load) -> Level {
        self.queue_level(load).max(self.space_level())
    }

    fn queue_level(&self, load: &Load) -> Level {
        let bytes = percent(load.bytes, self.bytes_max);
        let fill = bytes.max(percent(load.records, self.records_max));
        LEVELS.iter().find(|(from, _)| fill >= *from).map_or(Level::Accept, |(_, level)| *level)
    }

    fn space_level(&self) -> Level {
        match (self.space.is_last_segment(), self.space.is_over_budget()) {
            (true, _) => Level::Reject,
            (false, true) => Level::Throttle,
            (false, false) => Level::Accept,
        }
    }
}

fn busy(load: &Load) -> WalError {
    metrics::counter!("muster_queue_rejected_total", "queue" => "wal").increment(1);
    WalError::Busy { queued_records: load.records, queued_bytes: load.bytes }
}

fn percent(part: usize, whole: usize) -> u64 {
    (part as u64).saturating_mul(100) / (whole as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> (Gate, Arc<Space>) {
        let space = Arc::new(Space::default());
        let options = Options {
            queue_bytes_max: 1000,
            queue_records_max: 100,
            segment_bytes: 4000,
            ..Options::default()
        };
        (Gate::new(&options, space.clone()), space)
    }

    fn load(records: usize, bytes: usize) -> Load {
        Load { records, bytes, room: bytes as u64 }
    }

    #[test]
    fn levels_rise_at_70_85_and_95_percent_of_bytes_or_of_records() {
        let (gate, space) = gate();
        let level = |records, bytes| gate.level(&load(records, bytes));
        let by_bytes = [699, 700, 849, 850, 949, 950].map(|bytes| level(1, bytes));
        use Level::{Accept, Batch, Reject, Throttle};
        assert_eq!(by_bytes, [Accept, Throttle, Throttle, Batch, Batch, Reject]);
        assert_eq!([69, 70, 95].map(|records| level(records, 1)), [Accept, Throttle, Reject]);
        space.set_over_budget(true);
        assert_eq!(level(1, 1), Throttle);
        space.set_short(true);
        assert_eq!(level(1, 1), Reject);
        space.set_spares(4000);
        assert_eq!(level(1, 1), Throttle);
    }

    #[test]
    fn one_group_gets_a_quarter_and_always_one_item() {
        let (gate, _) = gate();
        assert!(gate.admit(&load(5, 300), &load(1, 100), 150).is_ok());
        assert!(gate.admit(&load(5, 300), &load(1, 101), 150).is_err());
        assert!(gate.admit(&load(5, 300), &load(1, 400), 0).is_ok());
        assert!(gate.admit(&load(0, 0), &load(1, 5000), 0).is_ok());
        assert!(gate.admit(&load(5, 700), &load(1, 301), 0).is_err());
    }

    #[test]
    fn a_full_disk_keeps_its_last_bytes_for_votes_and_removals() {
        let (gate, space) = gate();
        space.set_short(true);
        space.set_active(1500);
        assert!(gate.admit(&load(1, 100), &load(1, 400), 0).is_ok());
        assert!(gate.admit(&load(1, 100), &load(1, 401), 0).is_err());
        assert!(gate.admit_reserved(&load(1, 100), &load(1, 1400)).is_ok());
        assert!(gate.admit_reserved(&load(1, 100), &load(1, 1401)).is_err());
        space.set_short(false);
        assert!(gate.admit(&load(1, 100), &load(1, 401), 0).is_ok());
    }
}

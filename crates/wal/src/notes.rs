//! What a host notes of a group beside its log. Nobody waits for a note: it becomes durable with whatever is written next,
//! in its order, and never costs a sync.

use crate::{
    Damage, Eviction, GroupKey, LogId, Snapshot, Wal, WalError,
    format::{Op, Record},
    item::{Item, Lane},
    lock::write,
    view::View,
};

/// The largest note about a snapshot, bytes.
const SNAPSHOT_META_MAX: usize = 64 << 10;

impl Wal {
    /// Notes that a durable snapshot of the group exists; replaces the note before. It stands before the purge that the
    /// snapshot makes possible, so whoever finds the purge finds the note.
    ///
    /// # Errors
    /// `TooLarge` above 64 KiB, `Removed` also for a group that is not there, `Damaged`, or that the log is closed or failed.
    pub fn note_snapshot(&self, key: GroupKey, snapshot: Snapshot) -> Result<(), WalError> {
        let bytes = snapshot.meta.len();
        if bytes > SNAPSHOT_META_MAX {
            return Err(WalError::TooLarge { bytes, bytes_max: SNAPSHOT_META_MAX });
        }
        self.note(key, Lane::Lazy, |view| {
            view.snapshot = Some(Box::new(snapshot.clone()));
            Some(Op::Snapshot(snapshot))
        })
    }

    /// Notes that the group is at rest and when it is due, if its log still ends at `last`; the next append ends that.
    ///
    /// # Errors
    /// `Removed` also for a group that is not there, `Damaged`, or that the log is closed or failed.
    pub fn note_eviction(&self, key: GroupKey, last: LogId, eviction: Eviction) -> Result<(), WalError> {
        self.note(key, Lane::Lazy, |view| {
            (view.last() == Some(last)).then(|| {
                view.eviction = Some(eviction);
                Op::Evict(eviction.due_ms)
            })
        })
    }

    /// Ends a life of which the host has found something damaged or missing that it keeps beside the log: from now on, and
    /// after every restart, it is one of [`Wal::damaged`].
    ///
    /// # Errors
    /// `Removed` also for a group that is not there, `Damaged` when that is known, `Busy` when a full disk has no byte for
    /// it, or that the log is closed or failed.
    pub fn condemn(&self, key: GroupKey, what: &'static str) -> Result<(), WalError> {
        let mut last = 0;
        self.note(key, Lane::Reserved, |view| {
            last = view.last().map_or(0, |last| last.index);
            Some(Op::Damaged(last))
        })?;
        tracing::error!(
            group = key.group,
            incarnation = key.incarnation,
            last,
            what,
            "a replica cannot be used any more"
        );
        self.shared().quarantine(Damage { key, segment: 0, offset: 0, first: 0, last, what });
        Ok(())
    }

    /// `change` says what is to be written, if anything. A lazy note is refused only by a log that is over.
    fn note(
        &self,
        key: GroupKey,
        lane: Lane,
        change: impl FnOnce(&mut View) -> Option<Op>,
    ) -> Result<(), WalError> {
        let cell = self.registry(|registry| registry.live.get(&key).cloned()).ok_or(WalError::Removed)?;
        let mut view = write(&cell.view);
        view.check_alive()?;
        match change(&mut view) {
            Some(op) => self.push(Item::new(lane, Record { key, op }, None)),
            None => Ok(()),
        }
    }
}

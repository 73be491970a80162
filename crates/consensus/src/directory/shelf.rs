//! Tombstones, oldest first, in two queues: with a key (kept long, so that a repeat finds its job) and without.

use std::sync::Arc;

use imbl::{OrdMap, Vector};
use muster_wire::JobId;

use super::bounds::{KEY_KEEP_MS_MIN, KEYED_KEPT, RETIRED_MAX};
use super::rows::Retired;

#[derive(Clone, Default, Debug)]
pub(super) struct Shelf {
    rows: OrdMap<JobId, Arc<Retired>>,
    keyed: Vector<JobId>,
    plain: Vector<JobId>,
}

impl Shelf {
    pub(super) fn get(&self, job: JobId) -> Option<&Retired> {
        self.rows.get(&job).map(Arc::as_ref)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn rows(&self) -> &OrdMap<JobId, Arc<Retired>> {
        &self.rows
    }

    /// Keyless ones first, each oldest first: the order that [`Shelf::put`] needs to rebuild the same shelf.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &Retired> {
        self.plain.iter().chain(self.keyed.iter()).filter_map(|job| self.get(*job))
    }

    pub(super) fn put(&mut self, row: Retired) {
        if self.rows.contains_key(&row.job) {
            return;
        }
        match row.key {
            Some(_) => self.keyed.push_back(row.job),
            None => self.plain.push_back(row.job),
        }
        self.rows.insert(row.job, Arc::new(row));
    }

    /// Drops what is older than `keep_ms` at `now_ms` and what is over the bound; answers what was dropped.
    pub(super) fn prune(&mut self, now_ms: u64, keep_ms: u64) -> Vec<Arc<Retired>> {
        let plain_before = now_ms.saturating_sub(keep_ms);
        let keyed_before = now_ms.saturating_sub(keep_ms.max(KEY_KEEP_MS_MIN));
        let mut dropped = Vec::new();
        while self.plain_is_due(plain_before) {
            dropped.extend(self.drop_plain());
        }
        while self.keyed_is_due(keyed_before) {
            dropped.extend(self.drop_keyed());
        }
        dropped
    }

    fn plain_is_due(&self, before_ms: u64) -> bool {
        self.is_older(self.plain.front(), before_ms) || (self.is_full() && !self.plain.is_empty())
    }

    fn keyed_is_due(&self, before_ms: u64) -> bool {
        let beyond_kept = self.keyed.len() > KEYED_KEPT && self.is_older(self.keyed.front(), before_ms);
        beyond_kept || self.is_full()
    }

    fn is_full(&self) -> bool {
        self.rows.len() > RETIRED_MAX
    }

    fn is_older(&self, job: Option<&JobId>, before_ms: u64) -> bool {
        job.and_then(|job| self.get(*job)).is_some_and(|row| row.at_ms < before_ms)
    }

    fn drop_plain(&mut self) -> Option<Arc<Retired>> {
        self.plain.pop_front().and_then(|job| self.rows.remove(&job))
    }

    fn drop_keyed(&mut self) -> Option<Arc<Retired>> {
        self.keyed.pop_front().and_then(|job| self.rows.remove(&job))
    }
}

//! Lists in pages.

use muster_wire::api::{PAGE_MAX, Page};
use serde::Deserialize;

use super::{Answer, Problem};

/// The query of every list.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
pub struct PageQuery {
    /// At most this many items, 1 to 500; 100 if not given.
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

const LIMIT_DEFAULT: usize = 100;

impl PageQuery {
    /// How many items are wanted.
    pub fn limit(&self) -> Answer<usize> {
        match self.limit.unwrap_or(LIMIT_DEFAULT) {
            limit @ 1..=PAGE_MAX => Ok(limit),
            _ => Err(Problem::malformed(format!("limit: 1 to {PAGE_MAX} is expected"))),
        }
    }

    /// The page of a list that is sorted by `key`.
    pub fn page<T>(
        &self,
        sorted: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> String,
    ) -> Answer<Page<T>> {
        let limit = self.limit()?;
        let is_behind = |item: &T| self.cursor.as_ref().is_none_or(|cursor| key(item) > *cursor);
        let mut items: Vec<T> = sorted.into_iter().filter(is_behind).take(limit + 1).collect();
        let is_more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| is_more).map(&key);
        Ok(Page { items, next_cursor })
    }
}

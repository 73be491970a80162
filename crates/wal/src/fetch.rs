//! Reads entries from segments, believing nothing without its checksum.

use bytes::Bytes;

use crate::{
    Entry, LogId, ReadError,
    disk::Disk,
    format::{decode_frame, segment_name},
    ledger::Shelf,
    lock::lock,
    slots::{Place, Slot},
};

/// How much is read from a segment at once, if the frames stand close together, bytes.
const SPAN_BYTES_MAX: u64 = 1 << 20;
/// Frames that are further apart are read one by one: another read takes less than so many bytes that nobody wants.
const GAP_BYTES_MAX: u64 = 16 << 10;

/// An entry and where it is.
type Located = (LogId, Slot);

/// The entries, ascending, up to `bytes_max` of payload but at least one; none when they have moved meanwhile: a segment
/// that is given back may hold anything by the time it is read.
pub(crate) fn fetch(
    disk: &dyn Disk,
    shelf: &Shelf,
    ids: &[LogId],
    bytes_max: usize,
) -> Result<Option<Vec<Entry>>, ReadError> {
    let Some(located) = locate(shelf, ids, bytes_max) else { return Ok(None) };
    let found = read_all(disk, &located);
    if locate(shelf, ids, bytes_max) != Some(located) {
        return Ok(None);
    }
    found.map(Some)
}

/// Where the entries are; none when one of them is not the one that was asked for.
fn locate(shelf: &Shelf, ids: &[LogId], bytes_max: usize) -> Option<Vec<Located>> {
    let trace = lock(shelf);
    let mut bytes = 0;
    let mut located = Vec::new();
    for id in ids {
        let slot = trace.entries.get(id.index).filter(|slot| slot.is(*id))?;
        bytes += slot.place.length as usize;
        if bytes > bytes_max && !located.is_empty() {
            break;
        }
        located.push((*id, *slot));
    }
    Some(located)
}

fn read_all(disk: &dyn Disk, located: &[Located]) -> Result<Vec<Entry>, ReadError> {
    let mut entries = Vec::with_capacity(located.len());
    let mut rest = located;
    while let Some(((_, first), _)) = rest.split_first() {
        let (span, later) = rest.split_at(span_len(rest));
        let end = span.last().map_or(0, |(_, slot)| end_of(slot.place));
        let from = u64::from(first.place.offset);
        let bytes =
            Bytes::from(disk.read_at(&segment_name(first.place.number()), from, (end - from) as usize)?);
        for one in span {
            entries.push(entry_in(&bytes, from, one)?);
        }
        rest = later;
    }
    Ok(entries)
}

/// How many of the entries can be read at once: at least one.
fn span_len(located: &[Located]) -> usize {
    let first = located.first().map_or(Place::default(), |(_, slot)| slot.place);
    let mut before = first;
    let together = located.iter().skip(1).take_while(|(_, slot)| {
        let here = u64::from(slot.place.offset);
        let follows = slot.place.segment == first.segment && end_of(before) <= here;
        let near = here.saturating_sub(end_of(before)) <= GAP_BYTES_MAX;
        before = slot.place;
        follows && near && end_of(slot.place) - u64::from(first.offset) <= SPAN_BYTES_MAX
    });
    1 + together.count()
}

fn end_of(place: Place) -> u64 {
    u64::from(place.offset) + u64::from(place.length)
}

fn entry_in(span: &Bytes, from: u64, (id, slot): &Located) -> Result<Entry, ReadError> {
    let start = (u64::from(slot.place.offset) - from) as usize;
    let frame = span.get(start..start + slot.place.length as usize);
    match frame.and_then(|frame| decode_frame(frame, *id)) {
        Some((_, payload)) => Ok(Entry { id: *id, payload: span.slice_ref(payload) }),
        None => Err(ReadError::Corrupt {
            segment: slot.place.number(),
            offset: slot.place.offset.into(),
            index: id.index,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(segment: u32, offset: u32) -> Located {
        let place = Place { segment, offset, length: 100 };
        (LogId::default(), Slot { place, ..Slot::default() })
    }

    #[test]
    fn frames_that_stand_close_together_are_read_at_once_and_others_one_by_one() {
        let gap = GAP_BYTES_MAX as u32;
        let frames = [(1, 0), (1, 100), (1, 200 + gap), (1, 301 + 2 * gap), (2, 400 + 2 * gap), (2, 100)];
        let frames = frames.map(|(segment, offset)| located(segment, offset));
        let spans = [3, 2, 1, 1, 1, 1];
        assert_eq!([0, 1, 2, 3, 4, 5].map(|from| span_len(&frames[from..])), spans);
    }

    #[test]
    fn a_span_has_a_bound() {
        let frames: Vec<_> = (0..100_000).map(|at| located(1, at * 100)).collect();
        assert_eq!(span_len(&frames) as u64, SPAN_BYTES_MAX / 100);
    }
}

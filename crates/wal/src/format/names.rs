//! The names of a log's files.

/// A segment.
pub(crate) fn segment_name(segment: u64) -> String {
    format!("wal-{segment:016x}.seg")
}

/// A prepared file that will be a segment; its bytes mean nothing.
pub(crate) fn spare_name(number: u64) -> String {
    format!("spare-{number:016x}.seg")
}

/// A file that is being prepared; whatever bears it after a crash is worthless.
pub(crate) fn temporary_name(number: u64) -> String {
    format!("spare-{number:016x}.tmp")
}

/// What a crash left behind the last whole batch, kept for an operator.
pub(crate) fn torn_name(segment: u64, offset: u64) -> String {
    format!("wal-{segment:016x}-{offset:08x}.torn")
}

/// A segment with damage of which nothing is needed any more, kept for an operator.
pub(crate) fn damaged_name(segment: u64) -> String {
    format!("wal-{segment:016x}.damaged")
}

pub(crate) fn parse_segment(name: &str) -> Option<u64> {
    number(name, "wal-", ".seg")
}

pub(crate) fn parse_spare(name: &str) -> Option<u64> {
    number(name, "spare-", ".seg")
}

pub(crate) fn is_temporary(name: &str) -> bool {
    name.ends_with(".tmp")
}

pub(crate) fn is_torn(name: &str) -> bool {
    name.ends_with(".torn") || name.ends_with(".damaged")
}

fn number(name: &str, prefix: &str, suffix: &str) -> Option<u64> {
    let hex = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
    u64::from_str_radix(hex, 16).ok()
}

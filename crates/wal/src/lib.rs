//! muster-wal

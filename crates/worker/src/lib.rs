//! muster-worker

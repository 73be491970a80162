//! muster-gate

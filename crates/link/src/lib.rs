//! muster-link

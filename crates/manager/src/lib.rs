//! muster-manager

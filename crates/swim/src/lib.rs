//! muster-swim

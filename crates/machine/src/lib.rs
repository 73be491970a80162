//! muster-machine

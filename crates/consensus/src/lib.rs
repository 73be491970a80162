//! muster-consensus

//! Any sequence of commands keeps the invariants.

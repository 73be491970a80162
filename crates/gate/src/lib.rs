//! Gates.

pub mod machine;

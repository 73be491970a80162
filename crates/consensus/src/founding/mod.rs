//! How a cluster begins.
/// Founding and joining.
#[derive(Clone)]
pub struct Founding;
/// Why no cluster was founded or joined.
#[derive(Debug, thiserror::Error)]
pub enum FoundingError {}

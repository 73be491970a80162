//! Statuses change only through one table per status type.

/// The allowed moves of a status type.
pub struct Transitions<S: 'static> {
    /// From a status to each status it may become.
    pub moves: &'static [(S, &'static [S])],
}

impl<S: Copy + PartialEq> Transitions<S> {
    /// May `from` become `to`?
    pub fn allows(&self, from: S, to: S) -> bool {
        self.moves.iter().any(|(start, ends)| *start == from && ends.contains(&to))
    }
}

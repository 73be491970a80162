//! One entry, written by applying each command to a scratch copy of the state first: what would be refused or would
//! change nothing is left out, and the next command is chosen by what the earlier ones make of the state.

use muster_consensus::View;
use muster_machine::{Apply, Entry, Machine as _, Outcome, Reason, Stamp};
use muster_wire::{JobId, Token};

use crate::machine::ManagerJob;

/// What became of a command that was put into a draft.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Pushed {
    /// It is part of the entry, at this position.
    At(usize),
    /// The state is so already: left out.
    Same,
    /// It would be refused: left out.
    Refused(Reason),
}

/// An entry in the making.
pub(crate) struct Draft {
    state: ManagerJob,
    stamp: Stamp,
    entry: Entry,
}

impl Draft {
    /// An empty entry for this job under the view's token.
    pub(crate) fn new(job: JobId, view: &View<ManagerJob>, now_ms: u64) -> Self {
        Self::under(job, view, (view.token(), now_ms))
    }

    /// An empty entry under a token of its own: the one that its command of leadership produces.
    pub(crate) fn under(job: JobId, view: &View<ManagerJob>, (token, now_ms): (Token, u64)) -> Self {
        let at_ms = now_ms.max(view.at_ms);
        let entry = Entry::new(job, token, at_ms);
        let stamp = Stamp { index: view.applied + 1, at_ms, token, feature: entry.feature };
        Self { state: ManagerJob::clone(&view.state), stamp, entry }
    }

    /// Applies a command to the scratch state, and adds it to the entry if that changed.
    pub(crate) fn push<C: Apply<ManagerJob>>(&mut self, command: &C) -> Pushed {
        match self.try_out(command) {
            Ok(Outcome::Applied(_)) => self.add(command),
            Ok(Outcome::Noop(_)) => Pushed::Same,
            Ok(Outcome::Rejected(reason)) | Err(reason) => Pushed::Refused(reason),
        }
    }

    fn try_out<C: Apply<ManagerJob>>(&mut self, command: &C) -> Result<Outcome, Reason> {
        let row = ManagerJob::table().row(C::TAG).ok_or_else(|| Reason::malformed("unknown command"))?;
        row.guards.iter().try_for_each(|guard| guard(&self.state, &self.stamp))?;
        let body = muster_wire::encode(command).map_err(Reason::malformed)?;
        let before = self.state.clone();
        let outcome = (row.apply)(&mut self.state, self.stamp, &body).map_err(Reason::malformed)?;
        if outcome.rejection().is_some() {
            self.state = before;
        }
        Ok(outcome)
    }

    fn add<C: Apply<ManagerJob>>(&mut self, command: &C) -> Pushed {
        match self.entry.push(command) {
            Ok(()) => Pushed::At(self.entry.commands.len() - 1),
            Err(error) => Pushed::Refused(Reason::malformed(error)),
        }
    }

    /// The state as the entry so far makes it.
    pub(crate) const fn state(&self) -> &ManagerJob {
        &self.state
    }

    /// The entry's time.
    pub(crate) const fn at_ms(&self) -> u64 {
        self.stamp.at_ms
    }

    /// Would the entry change nothing?
    pub(crate) fn is_empty(&self) -> bool {
        self.entry.commands.is_empty()
    }

    /// The entry.
    pub(crate) fn into_entry(self) -> Entry {
        self.entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::commands::RegisterWorkflow;
    use crate::machine::world::{World, assume, set_job};
    use muster_wire::WorkflowIx;
    use muster_wire::job::JobStatus;
    use std::time::Duration;

    fn view(world: &World) -> View<ManagerJob> {
        View { state: world.state().clone().into(), applied: 9, term: 1, at_ms: 0, age: Duration::ZERO }
    }

    #[test]
    fn what_would_be_refused_or_change_nothing_is_left_out() {
        let mut world = World::led();
        let view = view(&world);
        let mut draft = Draft::new(world.state().job(), &view, 5);
        assert_eq!(draft.push(&assume(1)), Pushed::Same);
        assert!(matches!(draft.push(&set_job(JobStatus::Failed)), Pushed::Refused(Reason::NotYet)));
        assert_eq!(draft.push(&RegisterWorkflow { workflow: WorkflowIx(0) }), Pushed::At(0));
        assert_eq!(draft.push(&RegisterWorkflow { workflow: WorkflowIx(0) }), Pushed::Same);
        assert_eq!(world.propose(&draft.into_entry()).undone_by, None);
    }
}

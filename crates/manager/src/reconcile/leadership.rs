//! The Raft leader of a job's group becomes the job's leader by committing it, also after its own restart.

use std::time::Duration;

use muster_node::driver::Next;

use super::{Job, reconciler};
use crate::draft::{Draft, Pushed};
use crate::machine::commands::{AssumeJobLeadership, TakeoverJobLeadership};

reconciler!(
    /// Assumes a leadership that nobody has, takes over one of another process.
    Leadership, "leadership"
);

impl Leadership {
    async fn run(&self, job: &Job) -> Next {
        let state = &job.view.state;
        let is_owed = state.record().is_some() & (state.leader() != Some(&job.me));
        match is_owed {
            true => self.take(job).await,
            false => Next::Idle,
        }
    }

    async fn take(&self, job: &Job) -> Next {
        let mut draft = Draft::under(job.job, &job.view, (job.token().next(), job.now_ms()));
        match push(&mut draft, job) {
            Pushed::At(_) => self.shared.commit(job.job, draft).await.next(),
            Pushed::Same => Next::Idle,
            // A successor is named and it is another: its time passes.
            Pushed::Refused(_) => Next::After(Duration::from_millis(500)),
        }
    }
}

fn push(draft: &mut Draft, job: &Job) -> Pushed {
    let (node, expected_token) = (job.me.clone(), job.token());
    match job.view.state.leader() {
        Some(_) => draft.push(&TakeoverJobLeadership { node, expected_token }),
        None => draft.push(&AssumeJobLeadership { node }),
    }
}

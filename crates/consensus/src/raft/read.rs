//! Linearizable reads, always by read index: a lease read can be stale on an isolated old leader.

use std::sync::atomic::{AtomicU64, Ordering};

use muster_machine::Machine;
use muster_runtime::{Backoff, is_sabotaged};
use openraft::ReadPolicy;
use openraft::errors::{LinearizableReadError, RaftError};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::group::Group;
use super::types::Types;
use super::write::lease_pause;
use crate::error::ProposeError;
use crate::status::View;

/// Why openraft has refused a read.
pub(crate) type ReadRefusal = RaftError<Types, LinearizableReadError<Types>>;

/// Rounds in which a leader has shown that it still leads.
#[derive(Default)]
pub(crate) struct ReadRounds {
    begun: AtomicU64,
    /// The newest round that succeeded, with its read index; held while one is under way.
    last: Mutex<Option<(u64, u64)>>,
}

impl<M: Machine> Group<M> {
    /// The index that a replica must have applied to be up to date now; only the leader can tell.
    pub(crate) async fn read_index(&self, deadline: Instant) -> Result<u64, ProposeError> {
        if is_sabotaged("read-quorum") {
            return Ok(self.view().applied);
        }
        let mut pause = lease_pause();
        loop {
            let Ok(answer) = timeout_at(deadline, self.read_round()).await else {
                return Err(ProposeError::Timeout);
            };
            match answer {
                Ok(index) => return Ok(index),
                Err(error) => self.after_refused_read(error, deadline, &mut pause).await?,
            }
        }
    }

    /// The outcome of a round that began after this call: whoever waits meanwhile shares the next one.
    pub(crate) async fn read_round(&self) -> Result<u64, ReadRefusal> {
        let wanted = self.rounds.begun.load(Ordering::SeqCst) + 1;
        let mut last = self.rounds.last.lock().await;
        if let Some((_, index)) = last.filter(|(round, _)| *round >= wanted) {
            return Ok(index);
        }
        let round = self.rounds.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let (read, _) = self.raft.get_read_log_id(ReadPolicy::ReadIndex).await?;
        let index = read.index().max(self.begins_at);
        *last = Some((round, index));
        Ok(index)
    }

    async fn after_refused_read(
        &self,
        error: ReadRefusal,
        deadline: Instant,
        pause: &mut Backoff,
    ) -> Result<(), ProposeError> {
        match error {
            RaftError::Fatal(_) => Err(ProposeError::NotServing),
            RaftError::APIError(LinearizableReadError::ForwardToLeader(_)) => Err(self.not_leader()),
            RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)) => {
                self.renew_lease(deadline, pause).await
            }
        }
    }

    /// The state once this replica has applied `index`.
    pub(crate) async fn view_at(&self, index: u64, deadline: Instant) -> Result<View<M>, ProposeError> {
        if is_sabotaged("read-applied") {
            return Ok(self.view());
        }
        let mut views = self.views.clone();
        let reached = timeout_at(deadline, views.wait_for(|view| view.applied >= index)).await;
        // Cloned while it is borrowed: whoever borrows twice waits for the applier, which waits for the first of the two.
        let view = match reached {
            Ok(Ok(view)) => view.clone(),
            Ok(Err(_)) => return Err(ProposeError::NotServing),
            Err(_) => return Err(ProposeError::Timeout),
        };
        Ok(View { age: self.age(), ..view })
    }
}

//! Linearizable reads, always by read index: a lease read can be stale on an isolated old leader.

use muster_machine::Machine;
use muster_runtime::Backoff;
use openraft::ReadPolicy;
use openraft::errors::{LinearizableReadError, RaftError};
use tokio::time::{Instant, timeout_at};

use super::group::Group;
use super::types::Types;
use super::write::lease_pause;
use crate::error::ProposeError;
use crate::status::View;

impl<M: Machine> Group<M> {
    /// The index that a replica must have applied to be up to date now; only the leader can tell.
    pub(crate) async fn read_index(&self, deadline: Instant) -> Result<u64, ProposeError> {
        let mut pause = lease_pause();
        loop {
            let Ok(answer) = timeout_at(deadline, self.raft.get_read_log_id(ReadPolicy::ReadIndex)).await
            else {
                return Err(ProposeError::Timeout);
            };
            match answer {
                Ok((read, _)) => return Ok(read.index()),
                Err(error) => self.after_refused_read(error, deadline, &mut pause).await?,
            }
        }
    }

    async fn after_refused_read(
        &self,
        error: RaftError<Types, LinearizableReadError<Types>>,
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
        let mut views = self.views.clone();
        let reached = timeout_at(deadline, views.wait_for(|view| view.applied >= index)).await;
        match reached {
            Ok(Ok(_)) => Ok(self.view()),
            Ok(Err(_)) => Err(ProposeError::NotServing),
            Err(_) => Err(ProposeError::Timeout),
        }
    }
}

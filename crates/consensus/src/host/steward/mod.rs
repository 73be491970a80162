//! Keeps the directory's members true: who they are, where they are, and who votes in the directory group.
//!
//! Every node refreshes its own row; the directory's leader does the rest, one idempotent step at a time.

mod roll;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use muster_machine::{Command, Entry, EntryReply};
use muster_runtime::{Clock, TaskKind, TaskScope};
use muster_swim::Swim;
use muster_wire::Token;
use muster_wire::hello::Hello;

use super::directory::{DIRECTORY_JOB, DirectoryHandle};
use super::peers::Peers;
use crate::config::ConsensusConfig;
use crate::error::ProposeError;
use crate::founding::{ClusterGatekeeper, Membership};

const STEWARD: TaskKind = TaskKind::vital("directory_steward");
const DOORMAN: TaskKind = TaskKind::vital("gatekeeper_news");
/// A row that is not true is looked at this often; also the time in which a new cluster gets its first rows.
const EVERY: Duration = Duration::from_millis(200);
const WITHIN: Duration = Duration::from_secs(5);

/// Keeps the members' rows and the directory group's membership.
pub(crate) struct Steward {
    pub(crate) directory: DirectoryHandle,
    pub(crate) membership: Membership,
    pub(crate) config: Arc<ConsensusConfig>,
    pub(crate) peers: Peers,
    pub(crate) swim: Swim,
    pub(crate) clock: Clock,
    pub(crate) gatekeeper: Arc<ClusterGatekeeper>,
}

impl Steward {
    pub(crate) fn start(self, scope: &TaskScope) {
        let steward = Arc::new(self);
        let doorman = steward.clone();
        scope.spawn_until_stop(STEWARD, async move { steward.run().await });
        scope.spawn_until_stop(DOORMAN, async move { doorman.tell_gatekeeper().await });
    }

    async fn run(&self) {
        loop {
            muster_runtime::rest(EVERY).await;
            if let Err(error) = self.round().await {
                tracing::debug!(%error, "the members' rows are not yet true, tried again");
            }
        }
    }

    async fn round(&self) -> Result<(), ProposeError> {
        let view = self.directory.view().state;
        self.refresh_my_row(&view).await?;
        if self.directory.is_leader() {
            self.enter_founders(&view).await?;
            self.note_deaths(&view).await?;
            self.align_group(&view).await?;
            self.raise_feature(&view).await?;
        }
        Ok(())
    }

    /// Numbers and generations are refused at the door by what the directory says.
    async fn tell_gatekeeper(&self) {
        let mut views = self.directory.watch();
        loop {
            let view = views.borrow_and_update().state.clone();
            self.gatekeeper.know_directory(&view);
            if views.changed().await.is_err() {
                return;
            }
        }
    }

    fn entry(&self) -> Entry {
        Entry::new(DIRECTORY_JOB, Token(0), self.clock.unix_ms())
    }

    async fn propose<C: Command>(&self, command: &C) -> Result<EntryReply, ProposeError> {
        let entry = self.entry().with(command).map_err(|error| ProposeError::Fatal(error.to_string()))?;
        let reply = self.directory.propose(entry, WITHIN).await?;
        if let Some(reason) = reply.rejection() {
            tracing::warn!(command = C::NAME, %reason, "the directory refuses a member's row");
        }
        Ok(reply)
    }

    fn hello(&self) -> Arc<Hello> {
        self.peers.links().hello()
    }
}

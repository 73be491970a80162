//! The directory group's own membership follows the members' rows: one change per round.

use std::collections::BTreeSet;

use muster_wire::RaftId;

use super::{Steward, WITHIN};
use crate::directory::{Directory, MemberRow, MemberState, MemberStatus};
use crate::error::ProposeError;
use crate::founding::VOTERS_MAX;

/// A learner that lags by fewer entries than this has been filled.
const FILLED_WITHIN: u64 = 200;

impl Steward {
    /// The first thing that is not as it should be, if any, is put right.
    pub(super) async fn align_group(&self, directory: &Directory) -> Result<(), ProposeError> {
        let (voters, learners) = self.directory.membership();
        let all: BTreeSet<RaftId> = voters.union(&learners).copied().collect();
        if let Some(gone) = all.iter().find(|id| is_removed(directory, **id)) {
            return self.directory.remove(*gone, WITHIN).await;
        }
        match present(directory).find(|row| !all.contains(&row.directory_replica())) {
            Some(new) => self.directory.add_learner(new.directory_replica(), WITHIN).await,
            None => self.align_rows(directory, &voters).await,
        }
    }

    async fn align_rows(&self, directory: &Directory, voters: &BTreeSet<RaftId>) -> Result<(), ProposeError> {
        match present(directory).find(|row| self.may_be_active(row)) {
            Some(filled) => self.activate(filled).await,
            None => self.align_voters(directory, voters).await,
        }
    }

    fn may_be_active(&self, row: &MemberRow) -> bool {
        row.status == MemberStatus::Joining && self.is_filled(row.directory_replica())
    }

    fn is_filled(&self, id: RaftId) -> bool {
        let status = self.directory.status();
        let matched = status.replicas.iter().find(|replica| replica.node == id.member());
        let matched = matched.and_then(|replica| replica.matched);
        matched.is_some_and(|matched| matched + FILLED_WITHIN >= status.last_log.unwrap_or(0))
    }

    async fn activate(&self, row: &MemberRow) -> Result<(), ProposeError> {
        let (member, generation) = (row.number, row.generation);
        let state =
            MemberState { member, generation, status: Some(MemberStatus::Active), ..MemberState::default() };
        self.propose(&state).await.map(drop)
    }

    /// Up to five voters: present ones stay, filled active ones come in.
    async fn align_voters(
        &self,
        directory: &Directory,
        voters: &BTreeSet<RaftId>,
    ) -> Result<(), ProposeError> {
        if voters.len() < VOTERS_MAX as usize
            && let Some(row) = present(directory).find(|row| self.may_vote(row, voters))
        {
            let mut more = voters.clone();
            more.insert(row.directory_replica());
            return self.directory.set_voters(more, WITHIN).await;
        }
        match present(directory).find(|row| row.voter != voters.contains(&row.directory_replica())) {
            Some(row) => self.note_voter(row, voters.contains(&row.directory_replica())).await,
            None => Ok(()),
        }
    }

    fn may_vote(&self, row: &MemberRow, voters: &BTreeSet<RaftId>) -> bool {
        let id = row.directory_replica();
        let is_candidate =
            row.status == MemberStatus::Active && row.dead_since_ms.is_none() && !voters.contains(&id);
        is_candidate && self.is_filled(id)
    }

    async fn note_voter(&self, row: &MemberRow, voter: bool) -> Result<(), ProposeError> {
        let (member, generation) = (row.number, row.generation);
        let state = MemberState { member, generation, voter: Some(voter), ..MemberState::default() };
        self.propose(&state).await.map(drop)
    }
}

fn present(directory: &Directory) -> impl Iterator<Item = &MemberRow> {
    directory.members().filter(|row| row.is_present())
}

fn is_removed(directory: &Directory, id: RaftId) -> bool {
    directory.member(id.member()).is_some_and(|row| !row.is_present())
}

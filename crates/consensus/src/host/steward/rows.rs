//! The members' rows.

use muster_machine::{Entry, FEATURE};
use muster_swim::State;
use muster_wire::rpc::cluster::FoundingMember;
use muster_wire::{Generation, MemberNumber};

use super::Steward;
use crate::directory::{Directory, MemberJoin, MemberRow, MemberState, SetFeatureVersion};
use crate::error::ProposeError;
use crate::founding::Membership;

impl Steward {
    /// This node's own row tells its newest process, where it is and what it can hold.
    pub(super) async fn refresh_my_row(&self, directory: &Directory) -> Result<(), ProposeError> {
        let Some(row) = directory.member(self.membership.me) else { return Ok(()) };
        let join = self.my_join();
        let told = (row.generation, &row.rpc, &row.swim, row.groups_max, row.feature);
        match told == (join.generation, &join.rpc, &join.swim, join.groups_max, join.feature) {
            true => Ok(()),
            false => self.propose(&join).await.map(drop),
        }
    }

    fn my_join(&self) -> MemberJoin {
        let hello = self.hello();
        MemberJoin {
            node: hello.node,
            name: hello.name.clone(),
            generation: hello.generation,
            rpc: hello.rpc.clone(),
            swim: self.swim.member(hello.node).map(|me| me.meta.swim.clone()).unwrap_or_default(),
            groups_max: self.config.groups_max,
            feature: FEATURE,
            founding: None,
            voter: false,
        }
    }

    /// A new cluster's rows, in the order of their numbers, all or nothing.
    pub(super) async fn enter_founders(&self, directory: &Directory) -> Result<(), ProposeError> {
        if directory.members().next().is_some() || !self.membership.founder {
            return Ok(());
        }
        let reply = self.directory.propose(self.founders_entry()?, super::WITHIN).await?;
        if let Some(reason) = reply.rejection() {
            tracing::error!(%reason, "the founding members cannot be entered");
        }
        Ok(())
    }

    fn founders_entry(&self) -> Result<Entry, ProposeError> {
        let mut entry = self.entry();
        for member in &self.membership.members {
            entry
                .push(&self.founding_join(member))
                .map_err(|error| ProposeError::Fatal(error.to_string()))?;
        }
        Ok(entry)
    }

    fn founding_join(&self, member: &FoundingMember) -> MemberJoin {
        let listed = self.config.initial_members.iter().find(|listed| listed.name == member.name);
        MemberJoin {
            node: member.node,
            name: member.name.clone(),
            generation: Generation(0),
            rpc: listed.map(|listed| listed.rpc.clone()).unwrap_or_default(),
            swim: listed.map(|listed| listed.swim.clone()).unwrap_or_default(),
            groups_max: self.config.groups_max,
            feature: FEATURE,
            founding: Some(member.number),
            voter: Membership::is_initial_voter(member.number),
        }
    }

    /// Who is held dead, or alive again, by the failure detector.
    pub(super) async fn note_deaths(&self, directory: &Directory) -> Result<(), ProposeError> {
        let rows = directory.members().filter(|row| row.is_present() && row.number != self.membership.me);
        for (row, generation, dead) in rows.filter_map(|row| self.seen(row)) {
            if dead != row.dead_since_ms.is_some() {
                self.tell_dead(row.number, generation, dead).await?;
            }
        }
        Ok(())
    }

    /// The newest process that the detector knows of, and whether it is dead; `None` while nothing is certain.
    fn seen<'a>(&self, row: &'a MemberRow) -> Option<(&'a MemberRow, Generation, bool)> {
        let seen = self.swim.member(row.node).filter(|seen| seen.generation >= row.generation)?;
        match seen.state {
            State::Alive => Some((row, seen.generation, false)),
            State::Dead | State::Left => Some((row, seen.generation, true)),
            State::Suspect => None,
        }
    }

    async fn tell_dead(
        &self,
        member: MemberNumber,
        generation: Generation,
        dead: bool,
    ) -> Result<(), ProposeError> {
        let state = MemberState { member, generation, dead: Some(dead), ..MemberState::default() };
        self.propose(&state).await.map(drop)
    }

    /// The feature version rises once every present member understands it.
    pub(super) async fn raise_feature(&self, directory: &Directory) -> Result<(), ProposeError> {
        let feature = directory.feature_common();
        match feature > directory.feature() {
            true => self.propose(&SetFeatureVersion { feature }).await.map(drop),
            false => Ok(()),
        }
    }
}

//! The answering side: tells others how the founding stands here, and passes joins to the directory.

use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use muster_link::{Service, router};
use muster_wire::rpc::RpcError;
use muster_wire::rpc::cluster::{
    AskFounding, FoundingMember, FoundingState, FoundingView, JoinCluster, JoinedCluster, ListedMember,
};

use crate::directory::{Directory, Joined, MemberJoin};
use crate::identity::Identity;

/// The directory, as the desk needs it. A rejection that asking again does not cure is `RpcError::Refused` with its
/// text.
pub trait Admission: Send + Sync + 'static {
    /// Proposes the join at the directory's leader, wherever that is.
    fn join(&self, join: MemberJoin) -> BoxFuture<'static, Result<Joined, RpcError>>;
    /// The local applied view.
    fn directory(&self) -> Directory;
}

/// Answers calls about founding and joining, before this node has a cluster and ever after.
pub struct Desk {
    identity: Identity,
    list: Vec<ListedMember>,
    admission: OnceLock<Arc<dyn Admission>>,
}

/// When a node without a running directory is to be asked again.
const NOT_YET_MS: u64 = 200;

impl Desk {
    /// A desk that knows no directory yet.
    pub fn new(identity: &Identity, list: Vec<ListedMember>) -> Arc<Self> {
        Arc::new(Self { identity: identity.clone(), list, admission: OnceLock::new() })
    }

    /// From now on joins are passed on. The first call counts.
    pub fn open(&self, admission: Arc<dyn Admission>) {
        if self.admission.set(admission).is_err() {
            tracing::debug!("the desk was open already");
        }
    }

    /// Methods 1–19.
    pub fn service(self: &Arc<Self>) -> Arc<dyn Service> {
        let (asked, joined) = (self.clone(), self.clone());
        router()
            .on::<AskFounding, _, _>(move |_, ask| std::future::ready(Ok(asked.view(&ask))))
            .on::<JoinCluster, _, _>(move |_, join| joined.clone().admit(join))
            .build()
    }

    /// How the founding stands here, for the one who asks.
    pub fn view(&self, ask: &AskFounding) -> FoundingView {
        FoundingView {
            name: self.identity.name(),
            node: self.identity.node,
            list: self.list.clone(),
            state: self.state(ask),
        }
    }

    fn state(&self, ask: &AskFounding) -> FoundingState {
        if let Some((cluster, _)) = self.identity.membership() {
            return FoundingState::Exists { cluster, members: self.members() };
        }
        match self.identity.promised() {
            None => FoundingState::Blank,
            Some(promise) => promised_to(promise.members, ask),
        }
    }

    /// The directory's present members; before it is known here, those of the founding.
    fn members(&self) -> Vec<FoundingMember> {
        let known = self.admission.get().map(|admission| present(&admission.directory())).unwrap_or_default();
        match known.is_empty() {
            true => self.identity.members(),
            false => known,
        }
    }

    async fn admit(self: Arc<Self>, join: JoinCluster) -> Result<JoinedCluster, RpcError> {
        let membership = self.identity.membership();
        let (Some((cluster, _)), Some(admission)) = (membership, self.admission.get().cloned()) else {
            return Err(RpcError::Busy { retry_after_ms: NOT_YET_MS });
        };
        let me = FoundingMember { number: Default::default(), name: join.name.clone(), node: join.node };
        let command = command(join);
        if let Some(reason) = command.refusal(&admission.directory()) {
            return Err(RpcError::Refused { why: reason.to_string() });
        }
        let Joined { member } = admission.join(command).await?;
        let mut members = present(&admission.directory());
        members.retain(|known| known.number != member);
        members.push(FoundingMember { number: member, ..me });
        Ok(JoinedCluster { cluster, member, members })
    }
}

fn promised_to(members: Vec<FoundingMember>, ask: &AskFounding) -> FoundingState {
    let owner = members.iter().find(|member| member.name == ask.name && member.node != ask.node).cloned();
    match owner {
        Some(owner) => FoundingState::Taken { owner },
        None => FoundingState::Promised { members },
    }
}

fn present(directory: &Directory) -> Vec<FoundingMember> {
    let rows = directory.members().filter(|row| row.is_present());
    rows.map(|row| FoundingMember { number: row.number, name: row.name.clone(), node: row.node }).collect()
}

fn command(join: JoinCluster) -> MemberJoin {
    let JoinCluster { node, name, generation, rpc, swim, groups_max, feature } = join;
    MemberJoin { node, name, generation, rpc, swim, groups_max, feature, founding: None, voter: false }
}

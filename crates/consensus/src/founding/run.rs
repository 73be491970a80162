//! The asking side: rounds of questions until this node is a member.

use std::time::Duration;

use futures_util::future::join_all;
use muster_link::{CallError, Links};
use muster_runtime::{Backoff, Clock, TaskKind, TaskScope, random};
use muster_wire::ClusterId;
use muster_wire::rpc::RpcError;
use muster_wire::rpc::cluster::{
    AskFounding, FoundingMember, FoundingView, JoinCluster, JoinedCluster, ListedMember,
};
use tokio::sync::watch;

use super::core::{Answer, Decision, Standing, decide};
use super::list::list_fault;
use super::{Founding, FoundingError, Membership};
use crate::identity::{Identity, IdentityError, Joining};

/// One question, and one try to join.
const ASK_WITHIN: Duration = Duration::from_secs(2);
const JOIN_WITHIN: Duration = Duration::from_secs(5);
/// Between two rounds.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MOST: Duration = Duration::from_secs(1);
/// An unchanged state is logged again after this.
const LOG_EVERY: Duration = Duration::from_secs(10);
const WRITE: TaskKind = TaskKind::new("identity_writer");

/// What a node brings to the founding.
#[derive(Clone, Debug)]
pub struct FoundingConfig {
    /// `cluster.initial_members`, identical on all of them.
    pub list: Vec<ListedMember>,
    /// Further addresses to ask, for a node that is not in the list.
    pub join: Vec<String>,
    /// `host:port` of this node's rpc listener, as others reach it.
    pub rpc: String,
    /// `host:port` of its SWIM socket, as others reach it.
    pub swim: String,
    /// How many groups it can hold.
    pub groups_max: u32,
}

/// What the founding works with. The links must already serve this node's [`super::Desk`].
pub struct FoundingParts {
    /// What this node brings.
    pub config: FoundingConfig,
    /// Its links; their hello learns cluster and number.
    pub links: Links,
    /// Owns the file writes; its end ends the founding.
    pub scope: TaskScope,
    /// The node's clock.
    pub clock: Clock,
    /// Shows how far it is.
    pub status: watch::Sender<Founding>,
}

/// Waits until this node is a member: from its identity, by founding, or by joining. Never gives up by itself but on
/// faults that waiting does not cure.
pub async fn found_or_join(
    identity: &mut Identity,
    parts: &FoundingParts,
) -> Result<Membership, FoundingError> {
    let stop = parts.scope.stop_token();
    let mut run = Run::new(identity, parts);
    let outcome = stop.run_until_cancelled(run.until_member()).await;
    let membership = outcome.unwrap_or(Err(FoundingError::Stopped))?;
    let (cluster, member) = (membership.cluster, membership.me);
    parts.links.update_hello(|hello| (hello.cluster, hello.member) = (Some(cluster), member));
    run.show(Founding::Member { cluster, member });
    Ok(membership)
}

struct Run<'a> {
    identity: &'a mut Identity,
    parts: &'a FoundingParts,
    name: String,
    logged_at: Option<tokio::time::Instant>,
    pause: Backoff,
}

impl<'a> Run<'a> {
    fn new(identity: &'a mut Identity, parts: &'a FoundingParts) -> Self {
        let name = identity.name();
        Self { identity, parts, name, logged_at: None, pause: Backoff::new(PAUSE_FIRST, PAUSE_MOST) }
    }

    async fn until_member(&mut self) -> Result<Membership, FoundingError> {
        self.check_config()?;
        while self.identity.membership().is_none() {
            self.round().await?;
        }
        Ok(self.membership())
    }

    /// A member needs no list; others need one that they are in, or an address.
    fn check_config(&self) -> Result<(), FoundingError> {
        let fault = list_fault(&self.parts.config.list);
        let alone = self.targets().is_empty() && self.standing().number().is_none();
        match (self.identity.membership().is_some(), fault, alone) {
            (true, _, _) | (false, None, false) => Ok(()),
            (false, Some(fault), _) => Err(FoundingError::List(fault)),
            (false, None, true) => Err(FoundingError::List(format!("`{}` is not in it", self.name))),
        }
    }

    fn membership(&self) -> Membership {
        let (cluster, me) = self.identity.membership().unwrap_or_default();
        Membership { cluster, me, members: self.identity.members(), founder: self.identity.is_founder() }
    }

    async fn round(&mut self) -> Result<(), FoundingError> {
        let (targets, answers) = self.ask_all().await;
        match decide(&self.standing(), &answers)? {
            Decision::Wait(for_whom) => self.rest(Founding::Waiting { for_whom }).await,
            Decision::Blocked(why) => self.rest(Founding::Blocked { why }).await,
            Decision::Promise(promise) => self.write(move |identity| identity.promise(promise)).await?,
            Decision::Found(members) => self.found(members).await?,
            Decision::Adopt(cluster, member, members) => {
                self.become_member(Joining { cluster, member, members, founder: false }).await?;
            }
            Decision::Join(cluster) => self.join(cluster, &targets).await?,
        }
        Ok(())
    }

    fn standing(&self) -> Standing {
        Standing {
            name: self.name.clone(),
            node: self.identity.node,
            list: self.parts.config.list.clone(),
            promise: self.identity.promised(),
        }
    }

    /// Name and address of each node to ask; a node that is not in the list asks further addresses too.
    fn targets(&self) -> Vec<(String, String)> {
        let config = &self.parts.config;
        let listed = config.list.iter().filter(|member| member.name != self.name);
        let listed = listed.map(|member| (member.name.clone(), member.rpc.clone()));
        let is_listed = config.list.iter().any(|member| member.name == self.name);
        let further = config.join.iter().filter(|_| !is_listed).map(|addr| (addr.clone(), addr.clone()));
        listed.chain(further).collect()
    }

    async fn ask_all(&self) -> (Vec<String>, Vec<Answer>) {
        let targets = self.targets();
        let ask = AskFounding { name: self.name.clone(), node: self.identity.node };
        let views = join_all(targets.iter().map(|(_, addr)| self.ask(addr, &ask))).await;
        let (names, addresses): (Vec<_>, Vec<_>) = targets.into_iter().unzip();
        let answers = names.into_iter().zip(views).map(|(name, view)| Answer { name, view }).collect();
        (addresses, answers)
    }

    async fn ask(&self, addr: &str, ask: &AskFounding) -> Option<FoundingView> {
        let outcome = self.parts.links.call(addr, ask, ASK_WITHIN).await;
        if let Err(CallError::Handshake(refusal)) = &outcome {
            tracing::error!(addr, %refusal, "a listed member refuses this node");
        }
        outcome.inspect_err(|error| tracing::debug!(addr, %error, "no answer about the founding")).ok()
    }

    async fn found(&mut self, members: Vec<FoundingMember>) -> Result<(), FoundingError> {
        let cluster = ClusterId(random::bits128());
        let me = self.standing().number().unwrap_or_default();
        tracing::info!(%cluster, members = members.len(), "founding a cluster");
        self.become_member(Joining { cluster, member: me, members, founder: true }).await
    }

    /// One try at each address; a refusal is shown, and tried again since an operator may cure it.
    async fn join(&mut self, cluster: ClusterId, targets: &[String]) -> Result<(), FoundingError> {
        let mut state = Founding::Joining { cluster };
        for addr in targets {
            match self.parts.links.call(addr, &self.joining_call(), JOIN_WITHIN).await {
                Ok(joined) => return self.become_member(joining(joined)).await,
                Err(error) => state = blocked_by(&error).unwrap_or(state),
            }
        }
        self.rest(state).await;
        Ok(())
    }

    fn joining_call(&self) -> JoinCluster {
        let config = &self.parts.config;
        JoinCluster {
            node: self.identity.node,
            name: self.name.clone(),
            generation: self.identity.generation,
            rpc: config.rpc.clone(),
            swim: config.swim.clone(),
            groups_max: config.groups_max,
            feature: muster_machine::FEATURE,
        }
    }

    async fn become_member(&mut self, joining: Joining) -> Result<(), FoundingError> {
        let (cluster, member) = (joining.cluster, joining.member);
        self.write(move |mut identity| identity.joined(joining)).await?;
        (self.identity.cluster, self.identity.member) = (Some(cluster), member);
        Ok(())
    }

    /// Writes through a clone, away from the async threads.
    async fn write<F>(&self, write: F) -> Result<(), FoundingError>
    where
        F: FnOnce(Identity) -> Result<(), IdentityError> + Send + 'static,
    {
        let identity = self.identity.clone();
        let written = self.parts.scope.spawn_blocking(WRITE, move || write(identity)).await;
        written.ok_or(FoundingError::Stopped)?.map_err(FoundingError::from)
    }

    async fn rest(&mut self, state: Founding) {
        self.show(state);
        tokio::time::sleep(self.pause.next_delay()).await;
    }

    fn show(&mut self, state: Founding) {
        let now = self.parts.clock.now();
        let changed = *self.parts.status.borrow() != state;
        let due = self.logged_at.is_none_or(|at| now >= at + LOG_EVERY);
        if changed || due {
            log(&state);
            self.logged_at = Some(now);
        }
        self.parts.status.send_replace(state);
    }
}

fn joining(joined: JoinedCluster) -> Joining {
    Joining { cluster: joined.cluster, member: joined.member, members: joined.members, founder: false }
}

fn blocked_by(error: &CallError) -> Option<Founding> {
    match error {
        CallError::Rpc(RpcError::Refused { why }) => Some(Founding::Blocked { why: why.clone() }),
        _ => None,
    }
}

fn log(state: &Founding) {
    match state {
        Founding::Asking => tracing::debug!("asking the initial members"),
        Founding::Waiting { for_whom } => tracing::info!(?for_whom, "waiting for initial members"),
        Founding::Blocked { why } => tracing::error!(why, "this node cannot become a member yet"),
        Founding::Joining { cluster } => tracing::info!(%cluster, "joining a cluster that exists"),
        Founding::Member { cluster, member } => tracing::info!(%cluster, %member, "this node is a member"),
    }
}

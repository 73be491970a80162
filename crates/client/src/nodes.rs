//! Nodes, members, groups, datacenters.

use muster_wire::api::{
    DatacenterView, DrainView, GroupAsked, GroupView, Health, MemberView, NodeView, Page, PlacedWorkerView,
    TransferRequest,
};
use reqwest::Method;
use serde::de::DeserializeOwned;

use crate::client::Ask;
use crate::{Client, ClientError};

/// A list longer than this is cut: no cluster has so many members or datacenters.
const ITEMS_MAX: usize = 100_000;

/// What a node is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DrainWord {
    /// Take nothing new, give away what you hold.
    Drain,
    /// Take work again.
    Undrain,
}

impl DrainWord {
    const fn word(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Undrain => "undrain",
        }
    }
}

impl Client {
    /// The node that answers.
    pub async fn node(&self) -> Result<NodeView, ClientError> {
        self.json(Ask::get("/v1/node")).await
    }

    /// Its health.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.json(Ask::get("/health")).await
    }

    /// Every member that the node knows.
    pub async fn members(&self) -> Result<Vec<MemberView>, ClientError> {
        self.all("/v1/members").await
    }

    /// Every Raft group with a replica on the node.
    pub async fn groups(&self) -> Result<Vec<GroupView>, ClientError> {
        self.all("/v1/groups").await
    }

    /// One job's group.
    pub async fn group(&self, job: &str) -> Result<GroupView, ClientError> {
        self.json(Ask::get(format!("/v1/groups/{job}"))).await
    }

    /// Every datacenter.
    pub async fn datacenters(&self) -> Result<Vec<DatacenterView>, ClientError> {
        self.all("/v1/datacenters").await
    }

    /// Every worker: of one datacenter, or of all.
    pub async fn workers(&self, datacenter: Option<String>) -> Result<Vec<PlacedWorkerView>, ClientError> {
        self.all_with("/v1/workers", &[("datacenter", datacenter)]).await
    }

    /// Tells a worker to take nothing new, or to take work again.
    pub async fn drain_worker(&self, worker: &str, word: DrainWord) -> Result<PlacedWorkerView, ClientError> {
        self.json(Ask::new(Method::POST, format!("/v1/workers/{worker}/{}", word.word()))).await
    }

    /// Tells a member of the answering node's cluster to give its groups away, or to take groups again.
    pub async fn drain_member(&self, member: &str, word: DrainWord) -> Result<DrainView, ClientError> {
        self.json(Ask::new(Method::POST, format!("/v1/members/{member}/{}", word.word()))).await
    }

    /// Removes a member that is dead or drained.
    pub async fn remove_member(&self, member: &str) -> Result<(), ClientError> {
        self.send(&Ask::new(Method::DELETE, format!("/v1/members/{member}"))).await.map(drop)
    }

    /// Gives the leadership of a job's group to another of its replicas.
    pub async fn transfer_group(&self, job: &str, to: &str) -> Result<GroupAsked, ClientError> {
        let request = TransferRequest { to: to.to_owned() };
        self.json(Ask::new(Method::POST, format!("/v1/groups/{job}/transfer")).json(&request)).await
    }

    /// Builds a snapshot of a job's group and shortens its log.
    pub async fn snapshot_group(&self, job: &str) -> Result<GroupAsked, ClientError> {
        self.json(Ask::new(Method::POST, format!("/v1/groups/{job}/snapshot"))).await
    }

    /// The description of the node's API.
    pub async fn openapi(&self) -> Result<serde_json::Value, ClientError> {
        self.json(Ask::get("/v1/openapi.json")).await
    }

    /// All pages of a list.
    async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ClientError> {
        self.all_with(path, &[]).await
    }

    /// All pages of a list with a query.
    pub(crate) async fn all_with<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&'static str, Option<String>)],
    ) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        let mut cursor = None;
        while items.len() < ITEMS_MAX {
            let ask = Ask::get(path).query("limit", Some("500".into())).query("cursor", cursor);
            let ask = query.iter().fold(ask, |ask, (key, value)| ask.query(key, value.clone()));
            let page: Page<T> = self.json(ask).await?;
            items.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(items)
    }
}

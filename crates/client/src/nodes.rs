//! Nodes, members, groups, datacenters.

use muster_wire::api::{DatacenterView, GroupView, Health, MemberView, NodeView, Page};
use serde::de::DeserializeOwned;

use crate::client::Ask;
use crate::{Client, ClientError};

/// A list longer than this is cut: no cluster has so many members or datacenters.
const ITEMS_MAX: usize = 100_000;

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

    /// All pages of a list.
    async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        let mut cursor = None;
        while items.len() < ITEMS_MAX {
            let page: Page<T> =
                self.json(Ask::get(path).query("limit", Some("500".into())).query("cursor", cursor)).await?;
            items.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(items)
    }
}

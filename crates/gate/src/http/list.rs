//! `GET /v1/jobs`.

use axum::Json;
use axum::extract::{Query, State};
use muster_consensus::JobRow;
use muster_node::http::{Answer, Problem};
use muster_wire::JobId;
use muster_wire::api::{JobItem, JobList, PAGE_MAX};
use muster_wire::job::JobStatus;
use serde::Deserialize;

use crate::gate::Gate;
use crate::present;

const LIMIT_DEFAULT: usize = 50;

#[derive(Deserialize)]
pub(super) struct Params {
    status: Option<String>,
    label: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// What a list is filtered by.
struct Wanted {
    statuses: Vec<JobStatus>,
    labels: Vec<(String, Option<String>)>,
}

pub(super) async fn list(State(gate): State<Gate>, Query(params): Query<Params>) -> Answer<Json<JobList>> {
    let wanted =
        Wanted { statuses: statuses(params.status.as_deref())?, labels: labels(params.label.as_deref()) };
    let limit = params.limit.unwrap_or(LIMIT_DEFAULT);
    if limit == 0 || limit > PAGE_MAX {
        return Err(Problem::malformed(format!("limit is 1 to {PAGE_MAX}")));
    }
    let before = before(params.cursor.as_deref())?;
    let directory = gate.coordinator.directory();
    let rows = directory.jobs_before(before).map(|row| (row, present::item(row)));
    let mut items: Vec<JobItem> =
        rows.filter(|(row, item)| wanted.fits(row, item)).map(|(_, item)| item).take(limit + 1).collect();
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| has_more).map(|item| item.id.to_string());
    Ok(Json(JobList { items, next_cursor, as_of: present::time(gate.clock.unix_ms()) }))
}

fn statuses(text: Option<&str>) -> Answer<Vec<JobStatus>> {
    let words = text.into_iter().flat_map(|text| text.split(',')).filter(|word| !word.is_empty());
    words
        .map(|word| {
            JobStatus::from_word(word).ok_or_else(|| Problem::malformed(format!("`{word}` is no status")))
        })
        .collect()
}

fn labels(text: Option<&str>) -> Vec<(String, Option<String>)> {
    let parts = text.into_iter().flat_map(|text| text.split(',')).filter(|part| !part.is_empty());
    parts
        .map(|part| match part.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (part.to_owned(), None),
        })
        .collect()
}

fn before(cursor: Option<&str>) -> Answer<JobId> {
    let Some(cursor) = cursor else { return Ok(JobId(u128::MAX)) };
    cursor.parse().map_err(|_| Problem::malformed("the cursor is not one of ours"))
}

impl Wanted {
    fn fits(&self, row: &JobRow, item: &JobItem) -> bool {
        let status = self.statuses.is_empty() || self.statuses.contains(&item.status);
        status && self.labels.iter().all(|label| has_label(row, label))
    }
}

fn has_label(row: &JobRow, (key, wanted): &(String, Option<String>)) -> bool {
    let value = row.labels.get(key);
    value.is_some_and(|value| wanted.as_ref().is_none_or(|wanted| wanted == value))
}

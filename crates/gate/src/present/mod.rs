//! Replicated state as the API's documents.

mod callback;
mod event;
mod explain;
mod job;
mod list;
mod results;
mod stats;

pub use callback::callbacks;
pub use event::{event, truncated};
pub use explain::{add_details, explain};
pub use job::job_view;
pub use list::{item, summary};
pub use results::results;
pub use stats::window;

/// Milliseconds since 1970 as RFC 3339 in UTC.
pub fn time(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// A time that may not have come.
pub fn maybe_time(ms: Option<u64>) -> Option<String> {
    ms.filter(|ms| *ms > 0).map(time)
}

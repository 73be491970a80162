//! `summarize_jobs`: job leaders tell how their jobs are, for lists.

use muster_machine::{Apply, Outcome, Stamp};
use muster_wire::JobId;
use serde::{Deserialize, Serialize};

use super::super::{Directory, JobRow, JobSummary};
use super::{bounds::BATCH_MAX, within};

/// A batch of summaries; at most one per second and node, at most 10,000 jobs. Unknown jobs and older versions are
/// skipped. Answers how many rows changed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SummarizeJobs {
    /// Job and summary.
    pub rows: Vec<(JobId, JobSummary)>,
}

impl Apply<Directory> for SummarizeJobs {
    fn apply(self, directory: &mut Directory, _: Stamp) -> Outcome {
        if let Err(reason) = within(self.rows.len(), BATCH_MAX, "batch") {
            return reason.into();
        }
        let changed =
            self.rows.into_iter().map(|(job, summary)| directory.summarize(job, summary)).sum::<u32>();
        match changed {
            0 => Outcome::noop(&changed),
            _ => Outcome::applied(&changed),
        }
    }
}

impl Directory {
    /// 1 if the row changed.
    fn summarize(&mut self, job: JobId, summary: JobSummary) -> u32 {
        let news = |row: &&JobRow| row.summary.is_none_or(|known| summary.is_newer_than(&known));
        let is_news = self.job(job).filter(news).is_some();
        u32::from(is_news && self.put_summary(job, summary))
    }
}

impl JobSummary {
    /// Versions rise with each visible change; delivery is not one.
    fn is_newer_than(&self, known: &Self) -> bool {
        (self.version, self.delivered) > (known.version, known.delivered)
    }
}

#[cfg(test)]
#[path = "summarize_jobs_test.rs"]
mod summarize_jobs_test;

//! What processes wrote down about themselves, and what was accepted of it.

use std::collections::{BTreeMap, BTreeSet};

use muster_wire::api::{DatacenterResults, JobResults, WorkflowResults};

/// One attempt: job, workflow, shard, attempt.
pub type Try = (String, String, u32, u32);

/// Every start and end that was noted.
#[derive(Default, Debug)]
pub struct Notes {
    starts: BTreeMap<Try, Vec<String>>,
    ends: BTreeSet<Try>,
}

impl Notes {
    /// Reads a file of lines `start|end job workflow shard attempt fence`; a line that was cut is left out.
    pub fn read(path: &str) -> Self {
        let mut notes = Self::default();
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().for_each(|line| notes.take(&line.split(' ').collect::<Vec<_>>()));
        notes
    }

    fn take(&mut self, words: &[&str]) {
        let [kind, job, workflow, shard, attempt, fence] = words else { return };
        let (Ok(shard), Ok(attempt)) = (shard.parse(), attempt.parse()) else { return };
        let what = ((*job).to_owned(), (*workflow).to_owned(), shard, attempt);
        match *kind {
            "start" => self.starts.entry(what).or_default().push((*fence).to_owned()),
            _ => drop(self.ends.insert(what)),
        }
    }

    /// How many attempts were started.
    pub fn started(&self) -> usize {
        self.starts.len()
    }

    /// Attempts that were started more than once.
    pub fn twice(&self) -> Vec<&Try> {
        self.starts.iter().filter(|(_, fences)| fences.len() > 1).map(|(what, _)| what).collect()
    }

    /// What is wrong with a job's accepted results: a shard with two, or one that never ran to its end.
    pub fn faults_of(&self, results: &JobResults) -> Vec<String> {
        let parts = results.datacenters.values();
        parts.flat_map(|part| self.faults_of_part(&results.id.to_string(), part)).collect()
    }

    /// The same of one datacenter's part, of a job that noted itself under this name.
    pub fn faults_of_part(&self, job: &str, part: &DatacenterResults) -> Vec<String> {
        let workflows = part.workflows.iter();
        workflows.flat_map(|(name, workflow)| self.faults_of_workflow((job, name), workflow)).collect()
    }

    fn faults_of_workflow(&self, (job, name): (&str, &str), workflow: &WorkflowResults) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let succeeded = workflow.shards.iter().filter(|shard| shard.exit_code == Some(0));
        let faults = succeeded.filter_map(|shard| {
            let what = (job.to_owned(), name.to_owned(), shard.shard, shard.attempt);
            let is_second = !seen.insert(shard.shard);
            let never_ran = !(self.starts.contains_key(&what) && self.ends.contains(&what));
            (is_second || never_ran).then(|| format!("accepted twice or never run: {what:?}"))
        });
        faults.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_that_starts_twice_is_found_and_a_cut_line_is_not_read() {
        let mut notes = Notes::default();
        for line in ["start j w 0 1 7", "start j w 0 1 7", "start j w 1 1 8", "end j w 1 1 8", "start j"] {
            notes.take(&line.split(' ').collect::<Vec<_>>());
        }
        assert_eq!(notes.twice(), [&("j".to_owned(), "w".to_owned(), 0, 1)]);
        assert_eq!((notes.started(), notes.ends.len()), (2, 1));
    }
}

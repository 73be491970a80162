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

    /// Attempts of a shard whose fence is not above that of the attempt before.
    pub fn unfenced(&self) -> Vec<&Try> {
        let next = self.starts.iter().zip(self.starts.iter().skip(1));
        let same_shard = |one: &Try, other: &Try| (&one.0, &one.1, one.2) == (&other.0, &other.1, other.2);
        let pairs = next.filter(|((one, _), (other, _))| same_shard(one, other));
        pairs.filter(|((_, low), (_, high))| fence(low) >= fence(high)).map(|(_, (what, _))| what).collect()
    }

    /// Was a later attempt of the shard started? Then a result of this one is stale.
    fn is_outdated(&self, (job, workflow, shard, attempt): &Try) -> bool {
        let from = (job.clone(), workflow.clone(), *shard, attempt.saturating_add(1));
        let to = (job.clone(), workflow.clone(), *shard, u32::MAX);
        self.starts.range(from..=to).next().is_some()
    }

    /// What is wrong with a job's accepted results: a shard with two, one that never ran to its end, one of an attempt
    /// that was given up for a later one.
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
            let wrong = [
                ("accepted twice", !seen.insert(shard.shard)),
                ("never run", !(self.starts.contains_key(&what) && self.ends.contains(&what))),
                ("stale", self.is_outdated(&what)),
            ];
            let wrong = wrong.iter().find(|(_, holds)| *holds)?;
            Some(format!("{}: {what:?}", wrong.0))
        });
        faults.collect()
    }
}

/// The highest of an attempt's fences; 0 where none is a number.
fn fence(noted: &[String]) -> u64 {
    noted.iter().filter_map(|fence| fence.parse().ok()).max().unwrap_or(0)
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

    #[test]
    fn a_result_of_an_attempt_before_the_last_is_stale_and_fences_rise() {
        let mut notes = Notes::default();
        for line in ["start j w 0 1 7", "start j w 0 2 9", "start j w 1 1 8", "start j w 1 2 8"] {
            notes.take(&line.split(' ').collect::<Vec<_>>());
        }
        let of = |shard, attempt| ("j".to_owned(), "w".to_owned(), shard, attempt);
        assert!(notes.is_outdated(&of(0, 1)) && !notes.is_outdated(&of(0, 2)));
        assert_eq!(notes.unfenced(), [&of(1, 2)]);
    }
}

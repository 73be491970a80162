//! The final status, from what the datacenters reported and how many of them the job requires.

use muster_wire::job::JobStatus;
use muster_wire::spec::{OnWorkflowFailure, Require};

use super::datacenter::{Dc, Standing};
use super::state::{GateJob, Settled};

/// How the job ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Terminal.
    pub status: JobStatus,
    /// Why, and by whom.
    pub settled: Settled,
}

/// The targets by what they reported.
struct Tally<'a> {
    completed: Vec<&'a str>,
    partial: Vec<&'a str>,
    /// Ended otherwise, with how.
    bad: Vec<(&'a str, JobStatus)>,
    open: usize,
    needed: usize,
}

/// How the job ends, once its targets' results decide it.
pub fn verdict(job: &GateJob) -> Option<Verdict> {
    let tally = Tally::of(job)?;
    match tally.good() >= tally.needed {
        true => Some(tally.success()),
        false => tally.failure(job),
    }
}

impl<'a> Tally<'a> {
    fn of(job: &'a GateJob) -> Option<Self> {
        let targets = &job.targets.primaries;
        let needed = needed(job.spec()?.require, targets.len());
        let mut tally = Self { completed: vec![], partial: vec![], bad: vec![], open: 0, needed };
        for name in targets {
            tally.add(name, ending(job.dcs.get(name)));
        }
        Some(tally)
    }

    fn add(&mut self, name: &'a str, ending: Option<JobStatus>) {
        match ending {
            Some(JobStatus::Completed) => self.completed.push(name),
            Some(JobStatus::Partial) => self.partial.push(name),
            Some(other) => self.bad.push((name, other)),
            None => self.open += 1,
        }
    }

    fn good(&self) -> usize {
        self.completed.len() + self.partial.len()
    }

    fn success(&self) -> Verdict {
        let whole = self.completed.len() >= self.needed;
        let (status, word) = match whole {
            true => (JobStatus::Completed, "completed in"),
            false => (JobStatus::Partial, "completed in part in"),
        };
        let names = self.completed.iter().chain(&self.partial).map(ToString::to_string).collect();
        said(status, word, names)
    }

    /// Decided as soon as too few can still complete; a job that goes on after failures waits for all.
    fn failure(&self, job: &GateJob) -> Option<Verdict> {
        if self.good() + self.open >= self.needed {
            return None;
        }
        match job.spec()?.on_workflow_failure {
            OnWorkflowFailure::Continue => self.failure_of_all(),
            OnWorkflowFailure::Fail => Some(self.worst()),
        }
    }

    fn failure_of_all(&self) -> Option<Verdict> {
        if self.open > 0 {
            return None;
        }
        match self.good() {
            0 => Some(self.worst()),
            _ => Some(Verdict { status: JobStatus::Partial, ..self.worst() }),
        }
    }

    fn worst(&self) -> Verdict {
        let order = [JobStatus::Failed, JobStatus::TimedOut, JobStatus::Cancelled];
        let status = order.into_iter().find(|status| self.bad.iter().any(|(_, bad)| bad == status));
        let status = status.unwrap_or(JobStatus::Failed);
        let deciders = self.bad.iter().filter(|(_, bad)| *bad == status);
        said(status, &format!("{status} in"), deciders.map(|(name, _)| (*name).to_owned()).collect())
    }
}

fn said(status: JobStatus, word: &str, datacenters: Vec<String>) -> Verdict {
    let reason = format!("{word} {}", datacenters.join(", "));
    Verdict { status, settled: Settled { reason, datacenters } }
}

fn needed(require: Require, targets: usize) -> usize {
    match require {
        Require::All => targets,
        Require::Any => 1,
        Require::Count(count) => count as usize,
    }
    .clamp(1, targets.max(1))
}

/// How the job ended in a datacenter; a refusal counts as a failure.
fn ending(dc: Option<&Dc>) -> Option<JobStatus> {
    let dc = dc?;
    match (&dc.result, &dc.standing) {
        (Some((_, result)), _) => Some(result.status),
        (None, Standing::Refused { .. }) => Some(JobStatus::Failed),
        (None, _) => None,
    }
}

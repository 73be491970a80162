//! A directory group in one line: entries with rising indexes and times.

use std::collections::BTreeMap;

use muster_machine::{Apply, Command, Entry, EntryReply, Reason, Replica};
use muster_wire::job::{Digest, JobStatus};
use muster_wire::{Generation, GroupId, JobId, MemberNumber, NodeId, Token};

use super::*;

pub(crate) struct Bench {
    pub(crate) replica: Replica<Directory>,
    pub(crate) index: u64,
    pub(crate) now_ms: u64,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { replica: Replica::born(GroupId(0), JobId(0)), index: 0, now_ms: 1_000_000 }
    }

    /// So many founded members, each with room for 100 groups.
    pub(crate) fn of(members: u32) -> Self {
        let mut bench = Self::new();
        for number in 1..=members {
            bench.applied(&founding(number));
        }
        bench
    }

    pub(crate) fn directory(&self) -> &Directory {
        self.replica.machine()
    }

    pub(crate) fn entry<C: Command>(&self, command: &C) -> Vec<u8> {
        Entry::new(JobId(0), Token(0), self.now_ms).with(command).unwrap().encode().unwrap()
    }

    pub(crate) fn apply<C: Apply<Directory>>(&mut self, command: &C) -> EntryReply {
        self.index += 1;
        self.now_ms += 1;
        let bytes = self.entry(command);
        self.replica.apply(self.index, &bytes).unwrap()
    }

    /// Expects that it changes something.
    pub(crate) fn applied<C: Apply<Directory>>(&mut self, command: &C) -> C::Reply {
        let reply = self.apply(command);
        assert_eq!(reply.outcomes[0].word(), "applied", "{:?}", reply.outcomes[0]);
        reply.reply(0).unwrap()
    }

    /// Expects that it changes nothing and is no refusal.
    pub(crate) fn same<C: Apply<Directory>>(&mut self, command: &C) -> C::Reply {
        let before = self.directory().encode().unwrap();
        let reply = self.apply(command);
        assert_eq!(reply.outcomes[0].word(), "noop", "{:?}", reply.outcomes[0]);
        assert_eq!(self.directory().encode().unwrap(), before);
        reply.reply(0).unwrap()
    }

    /// Expects a refusal that changes nothing.
    pub(crate) fn refused<C: Apply<Directory>>(&mut self, command: &C) -> Reason {
        let before = self.directory().encode().unwrap();
        let reply = self.apply(command);
        assert_eq!(self.directory().encode().unwrap(), before);
        reply.outcomes[0].rejection().cloned().unwrap_or_else(|| panic!("{:?}", reply.outcomes[0]))
    }

    /// Registers with these replicas wanted and answers the row.
    pub(crate) fn registered(&mut self, id: u128) -> JobRow {
        self.applied(&register(id));
        self.directory().job(JobId(id)).unwrap().clone()
    }
}

pub(crate) fn founding(number: u32) -> MemberJoin {
    MemberJoin { founding: Some(MemberNumber(number)), voter: number <= 5, ..join(number) }
}

pub(crate) fn join(id: u32) -> MemberJoin {
    MemberJoin {
        node: NodeId(u128::from(id)),
        name: format!("n{id}"),
        generation: Generation(1),
        rpc: format!("127.0.0.1:{id}"),
        swim: format!("127.0.0.1:{}", id + 1000),
        groups_max: 100,
        feature: 1,
        founding: None,
        voter: false,
    }
}

pub(crate) fn register(id: u128) -> RegisterJob {
    RegisterJob {
        job: JobId(id),
        key: Some(format!("key-{id}")),
        digest: digest(id as u8),
        name: "nightly".into(),
        labels: BTreeMap::from([("team".into(), "search".into())]),
        proposer: MemberNumber(1),
        avoid: Vec::new(),
        replication: 3,
        retired: None,
        opening: None,
    }
}

pub(crate) fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}

pub(crate) fn summary(version: u64, status: JobStatus) -> JobSummary {
    JobSummary {
        status,
        version,
        token: Token(1),
        progress_percent: 10,
        created_at_ms: 1,
        started_at_ms: Some(2),
        finished_at_ms: status.is_terminal().then_some(version),
        delivered: false,
    }
}

pub(crate) fn retiring(id: u128, status: JobStatus) -> Retiring {
    Retiring { job: JobId(id), status, token: Token(7) }
}

pub(crate) fn retire(bench: &Bench, jobs: Vec<Retiring>) -> RetireJobs {
    RetireJobs { jobs, now_ms: bench.now_ms, keep_ms: 60_000 }
}

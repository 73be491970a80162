//! Random operations with power losses at random calls, against a model.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    Entry, GroupKey, GroupLog, LogId, Vote, Wal, WalError,
    testing::{Answer, SimDisk, done, entries, key, log_id, open, small, vote},
};

#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Group {
    vote: Option<Vote>,
    purged: Option<LogId>,
    entries: Vec<Entry>,
}

type Model = BTreeMap<GroupKey, Group>;

/// A node's life: its log, the model after each accepted operation, and the answers that are due.
struct Life {
    wal: Wal,
    logs: BTreeMap<GroupKey, GroupLog>,
    history: Vec<Model>,
    due: Vec<(usize, Answer)>,
    acknowledged: usize,
}

impl Life {
    fn start(disk: &SimDisk) -> Self {
        let wal = open(disk, small());
        let history = vec![observe(&wal)];
        Self { wal, logs: BTreeMap::new(), history, due: Vec::new(), acknowledged: 0 }
    }

    /// Notes an accepted operation and what it should have done.
    fn accept(
        &mut self,
        result: Result<(), WalError>,
        answer: Option<Answer>,
        change: impl FnOnce(&mut Model),
    ) -> bool {
        if result.is_err() {
            return false;
        }
        let mut model = self.history.last().unwrap().clone();
        change(&mut model);
        self.history.push(model);
        self.due.extend(answer.map(|answer| (self.history.len() - 1, answer)));
        true
    }

    /// Waits for all answers; false when the log failed.
    fn settle(&mut self) -> bool {
        for (at, answer) in std::mem::take(&mut self.due) {
            if answer.wait().is_err() {
                return false;
            }
            self.acknowledged = at;
        }
        true
    }

    /// The newest incarnation of a group in the model, or the one that may come next.
    fn current(&self, group: u64, next: &mut BTreeMap<u64, u32>) -> GroupKey {
        key(group, *next.entry(group).or_insert(1))
    }

    fn log(&mut self, key: GroupKey) -> Option<&GroupLog> {
        if !self.logs.contains_key(&key) {
            let known = self.wal.is_known(key);
            let log = self.wal.open_group(key).ok()?;
            self.logs.insert(key, log);
            if !known {
                self.accept(Ok(()), None, |model| {
                    model.retain(|other, _| other.group != key.group);
                    model.insert(key, Group::default());
                });
            }
        }
        self.logs.get(&key)
    }

    fn group(&self, key: GroupKey) -> Group {
        self.history.last().unwrap().get(&key).cloned().unwrap_or_default()
    }

    fn append(&mut self, key: GroupKey, rng: &mut StdRng) -> bool {
        let last = self.group(key);
        let last = last.entries.last().map(|entry| entry.id).or(last.purged).unwrap_or_default();
        let start = last.index + 1;
        let new = entries(last.term + rng.random_range(0..2), start..start + rng.random_range(1..6));
        let (tell, answer) = done();
        let Some(log) = self.log(key) else { return false };
        let result = log.append(new.clone(), tell);
        self.accept(result, Some(answer), |model| model.get_mut(&key).unwrap().entries.extend(new))
    }

    fn vote(&mut self, key: GroupKey, rng: &mut StdRng) -> bool {
        let vote = vote(rng.random_range(0..1000));
        let (tell, answer) = done();
        let Some(log) = self.log(key) else { return false };
        let result = log.save_vote(vote, tell);
        self.accept(result, Some(answer), |model| model.get_mut(&key).unwrap().vote = Some(vote))
    }

    fn truncate(&mut self, key: GroupKey, rng: &mut StdRng) -> bool {
        let held = self.group(key).entries;
        let stays = rng.random_range(0..=held.len());
        let after = stays.checked_sub(1).map(|last| held[last].id.index);
        let (tell, answer) = done();
        let Some(log) = self.log(key) else { return false };
        let result = log.truncate_after(after, tell);
        self.accept(result, Some(answer), |model| model.get_mut(&key).unwrap().entries.truncate(stays))
    }

    fn purge(&mut self, key: GroupKey, rng: &mut StdRng) -> bool {
        let group = self.group(key);
        let last = group.entries.last().map(|entry| entry.id).or(group.purged).unwrap_or_default();
        let first = group.entries.first().map_or(last.index, |entry| entry.id.index);
        let upto = log_id(last.term, rng.random_range(first..=last.index + 3));
        let Some(log) = self.log(key) else { return false };
        let result = log.purge(upto);
        log.save_committed(upto).unwrap_or_default();
        self.accept(result, None, |model| {
            let group = model.get_mut(&key).unwrap();
            if group.purged.is_none_or(|purged| purged.index < upto.index) {
                group.purged = Some(upto);
                group.entries.retain(|entry| entry.id.index > upto.index);
            }
        })
    }

    fn remove(&mut self, key: GroupKey, next: &mut BTreeMap<u64, u32>) -> bool {
        let (tell, answer) = done();
        let result = self.wal.remove_group(key, tell);
        self.logs.remove(&key);
        next.insert(key.group, key.incarnation + 1);
        self.accept(result, Some(answer), |model| {
            model.remove(&key);
        })
    }

    fn seed(&mut self, key: GroupKey, next: &mut BTreeMap<u64, u32>) -> bool {
        let key = GroupKey { incarnation: key.incarnation + 1, ..key };
        let group = Group { vote: Some(vote(3)), purged: None, entries: entries(3, 0..4) };
        let (tell, answer) = done();
        let result = self.wal.seed(key, vote(3), group.entries.clone(), tell);
        self.logs.retain(|other, _| other.group != key.group);
        next.insert(key.group, key.incarnation);
        self.accept(result, Some(answer), |model| {
            model.retain(|other, _| other.group != key.group);
            model.insert(key, group);
        })
    }

    /// One random operation; false when the log has failed.
    fn step(&mut self, rng: &mut StdRng, next: &mut BTreeMap<u64, u32>) -> bool {
        let key = self.current(rng.random_range(0..4), next);
        match rng.random_range(0..100) {
            0..50 => self.append(key, rng),
            50..60 => self.vote(key, rng),
            60..70 => self.truncate(key, rng),
            70..82 => self.purge(key, rng),
            82..84 => self.remove(key, next),
            84..86 => self.seed(key, next),
            _ => self.settle(),
        }
    }
}

fn observe(wal: &Wal) -> Model {
    let group = |key: GroupKey| {
        let reader = wal.open_group(key).unwrap().reader();
        let entries = reader.entries(0..u64::MAX, usize::MAX).unwrap();
        (key, Group { vote: reader.vote(), purged: reader.purged(), entries })
    };
    wal.groups().into_iter().map(group).collect()
}

/// Lives one after the other on one disk; after each the log must be what it was after some operation that is not older
/// than the last acknowledged one.
fn run(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut disk = SimDisk::default();
    let mut next = BTreeMap::new();
    for round in 0..6 {
        let mut life = Life::start(&disk);
        let steps = rng.random_range(1..120);
        if rng.random_bool(0.8) {
            disk.fail_after(rng.random_range(0..150));
        }
        let alive = (0..steps).all(|_| life.step(&mut rng, &mut next)) && life.settle();
        let Life { wal, logs, history, due, mut acknowledged } = life;
        drop(logs);
        let closed = wal.close();
        for (at, answer) in due {
            if answer.wait().is_ok() {
                acknowledged = at;
            }
        }
        if alive && closed.is_ok() {
            acknowledged = history.len() - 1;
        }
        disk = disk.crash(|choices| rng.random_range(0..choices));
        let wal = open(&disk, small());
        assert_eq!(wal.damaged(), [], "seed {seed} round {round}{}", crate::recovery::dump(&disk));
        let found = observe(&wal);
        wal.close().unwrap();
        assert!(
            history[acknowledged..].contains(&found),
            "seed {seed} round {round}: after {acknowledged} of {} operations\nfound {found:#?}\nexpected {:#?}",
            history.len() - 1,
            history[acknowledged]
        );
    }
}

#[test]
fn whatever_happens_the_log_is_what_was_acknowledged_or_later() {
    (0..150).for_each(run);
}

/// Run with `MUSTER_WAL_SEEDS=from..to` to look for rarer faults.
#[test]
#[ignore = "a long search"]
fn whatever_happens_over_many_seeds() {
    let range = std::env::var("MUSTER_WAL_SEEDS").unwrap_or("1000..3000".to_owned());
    let (from, to) = range.split_once("..").unwrap();
    (from.parse().unwrap()..to.parse().unwrap()).for_each(run);
}

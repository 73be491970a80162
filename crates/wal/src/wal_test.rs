use std::{
    collections::BTreeMap,
    sync::{Arc, Barrier, Condvar, Mutex, mpsc},
    thread,
    time::Duration,
};

use bytes::Bytes;
use tempfile::tempdir;

use crate::{
    Disk, DiskFile, Entry, GroupError, GroupLog, OpenError, Options, Wal, WalError,
    testing::{Answer, SimDisk, all, done, entries, key, log_id, open, small, vote},
};

fn append(log: &GroupLog, term: u64, range: std::ops::Range<u64>) {
    let (tell, answer) = done();
    log.append(entries(term, range), tell).unwrap();
    answer.wait().unwrap();
}

fn start_append(log: &GroupLog, term: u64, range: std::ops::Range<u64>) -> Answer {
    let (tell, answer) = done();
    log.append(entries(term, range), tell).unwrap();
    answer
}

#[test]
fn what_was_acknowledged_is_there_after_a_reopen() {
    let dir = tempdir().unwrap();
    let wal = Wal::open(dir.path(), small()).unwrap();
    let log = wal.open_group(key(1, 1)).unwrap();
    append(&log, 1, 0..3);
    log.save_committed(log_id(1, 1)).unwrap();
    let (tell, answer) = done();
    log.save_vote(vote(4), tell).unwrap();
    answer.wait().unwrap();
    append(&log, 2, 3..5);
    drop(log);
    wal.close().unwrap();

    let wal = Wal::open(dir.path(), small()).unwrap();
    assert_eq!(wal.groups(), [key(1, 1)]);
    let log = wal.open_group(key(1, 1)).unwrap();
    assert_eq!(all(&log), [entries(1, 0..3), entries(2, 3..5)].concat());
    let reader = log.reader();
    assert_eq!(reader.vote(), Some(vote(4)));
    assert_eq!(reader.committed(), Some(log_id(1, 1)));
    assert_eq!(reader.last(), Some(log_id(2, 4)));
    assert_eq!(reader.log_ids_at_term_changes(), [log_id(1, 2), log_id(2, 4)]);
}

#[test]
fn readers_see_an_append_before_it_is_durable_and_get_at_least_one_entry() {
    let disk = SimDisk::default();
    let wal = open(&disk, small());
    let log = wal.open_group(key(1, 1)).unwrap();
    let reader = log.reader();
    let answer = start_append(&log, 1, 0..10);
    assert_eq!(reader.entries(2..4, usize::MAX).unwrap(), entries(1, 2..4));
    assert_eq!(reader.entries(2..9, 1).unwrap(), entries(1, 2..3));
    assert_eq!(reader.entries(20..30, 1).unwrap(), []);
    answer.wait().unwrap();
}

#[test]
fn a_truncated_tail_stays_truncated_and_can_be_written_anew() {
    let disk = SimDisk::default();
    let wal = open(&disk, small());
    let log = wal.open_group(key(1, 1)).unwrap();
    append(&log, 1, 0..6);
    let (tell, answer) = done();
    log.truncate_after(Some(2), tell).unwrap();
    assert_eq!(log.reader().last(), Some(log_id(1, 2)));
    append(&log, 3, 3..5);
    answer.wait().unwrap();
    drop(log);
    wal.close().unwrap();

    let wal = open(&disk, small());
    let log = wal.open_group(key(1, 1)).unwrap();
    assert_eq!(all(&log), [entries(1, 0..3), entries(3, 3..5)].concat());
    let (tell, answer) = done();
    log.truncate_after(None, tell).unwrap();
    answer.wait().unwrap();
    drop(log);
    wal.close().unwrap();
    assert_eq!(open(&disk, small()).open_group(key(1, 1)).unwrap().reader().last(), None);
}

#[test]
fn a_purge_stays_and_may_pass_the_last_entry() {
    let disk = SimDisk::default();
    let wal = open(&disk, small());
    let log = wal.open_group(key(1, 1)).unwrap();
    append(&log, 1, 0..6);
    log.purge(log_id(1, 3)).unwrap();
    assert_eq!(log.reader().first_index(), Some(4));
    log.purge(log_id(1, 2)).unwrap();
    assert_eq!(log.reader().purged(), Some(log_id(1, 3)));
    log.purge(log_id(2, 20)).unwrap();
    assert_eq!(log.reader().last(), Some(log_id(2, 20)));
    append(&log, 2, 21..23);
    drop(log);
    wal.close().unwrap();

    let wal = open(&disk, small());
    let log = wal.open_group(key(1, 1)).unwrap();
    assert_eq!(log.reader().purged(), Some(log_id(2, 20)));
    assert_eq!(all(&log), entries(2, 21..23));
}

#[test]
fn an_index_that_does_not_follow_is_refused_and_changes_nothing() {
    let wal = open(&SimDisk::default(), small());
    let log = wal.open_group(key(1, 1)).unwrap();
    append(&log, 1, 5..8);
    for start in [0, 7, 9] {
        let refused = log.append(entries(1, start..start + 1), done().0).unwrap_err();
        assert!(matches!(refused, WalError::NotContiguous { expected: 8, got } if got == start));
    }
    let gap = log.purge(log_id(1, 3)).unwrap_err();
    assert!(matches!(gap, WalError::NotContiguous { expected: 5, got: 4 }));
    assert_eq!(all(&log), entries(1, 5..8));
}

#[test]
fn a_removed_group_is_gone_and_a_new_incarnation_works() {
    let disk = SimDisk::default();
    let wal = open(&disk, small());
    let log = wal.open_group(key(1, 1)).unwrap();
    append(&log, 1, 0..3);
    let (tell, answer) = done();
    wal.remove_group(key(1, 1), tell).unwrap();
    answer.wait().unwrap();
    assert_eq!(all(&log), []);
    assert!(matches!(log.append(entries(1, 3..4), done().0), Err(WalError::Removed)));
    drop(log);
    wal.close().unwrap();

    let wal = open(&disk, small());
    assert_eq!(wal.groups(), []);
    assert!(wal.is_known(key(1, 1)));
    assert!(matches!(wal.open_group(key(1, 1)), Err(GroupError::Removed)));
    assert!(matches!(wal.seed(key(1, 1), vote(1), vec![], done().0), Err(WalError::NotEmpty)));
    let log = wal.open_group(key(1, 2)).unwrap();
    append(&log, 9, 0..2);
    drop(log);
    wal.close().unwrap();
    assert_eq!(all(&open(&disk, small()).open_group(key(1, 2)).unwrap()), entries(9, 0..2));
}

#[test]
fn a_new_incarnation_closes_the_lower_ones() {
    let disk = SimDisk::default();
    let wal = open(&disk, small());
    let old = wal.open_group(key(1, 1)).unwrap();
    append(&old, 1, 0..3);
    let new = wal.open_group(key(1, 2)).unwrap();
    assert!(matches!(old.save_vote(vote(9), done().0), Err(WalError::Removed)));
    append(&new, 2, 0..1);
    drop((old, new));
    wal.close().unwrap();

    let wal = open(&disk, small());
    assert_eq!(wal.groups(), [key(1, 2)]);
    assert!(matches!(wal.open_group(key(1, 1)), Err(GroupError::Superseded { newest: 2 })));
    assert!(matches!(wal.seed(key(1, 0), vote(1), vec![], done().0), Err(WalError::Removed)));
}

#[test]
fn a_seed_is_taken_once_and_is_durable_as_a_whole() {
    let disk = SimDisk::default();
    let wal = open(&disk, small());
    assert!(!wal.is_known(key(5, 1)));
    let (tell, answer) = done();
    wal.seed(key(5, 1), vote(3), entries(3, 0..4), tell).unwrap();
    assert!(matches!(wal.seed(key(5, 1), vote(4), vec![], done().0), Err(WalError::NotEmpty)));
    answer.wait().unwrap();
    wal.close().unwrap();

    let wal = open(&disk, small());
    assert!(matches!(wal.seed(key(5, 1), vote(4), vec![], done().0), Err(WalError::NotEmpty)));
    let log = wal.open_group(key(5, 1)).unwrap();
    assert_eq!((log.reader().vote(), all(&log)), (Some(vote(3)), entries(3, 0..4)));
}

#[test]
fn a_group_has_one_handle_at_a_time() {
    let wal = open(&SimDisk::default(), small());
    let log = wal.open_group(key(1, 1)).unwrap();
    assert!(matches!(wal.open_group(key(1, 1)), Err(GroupError::AlreadyOpen)));
    drop(log);
    wal.open_group(key(1, 1)).unwrap();
}

#[test]
fn a_directory_has_one_user_at_a_time() {
    let dir = tempdir().unwrap();
    let wal = Wal::open(dir.path(), small()).unwrap();
    let other = wal.clone();
    assert!(matches!(Wal::open(dir.path(), small()), Err(OpenError::Locked)));
    wal.close().unwrap();
    assert!(matches!(other.open_group(key(1, 1)), Err(GroupError::Wal(WalError::Closed))));
    Wal::open(dir.path(), small()).unwrap();
}

#[test]
fn a_log_of_another_node_or_member_is_refused() {
    let disk = SimDisk::default();
    let numbered = Options { member: 3, ..small() };
    let wal = open(&disk, numbered.clone());
    append(&wal.open_group(key(1, 1)).unwrap(), 1, 0..1);
    wal.close().unwrap();

    let open_as = |options| Wal::open_on(Arc::new(disk.clone()), options);
    let stranger = open_as(Options::new([8; 16])).unwrap_err();
    assert!(matches!(stranger, OpenError::WrongNode { found } if found == [7; 16]));
    let renumbered = open_as(Options { member: 4, ..small() }).unwrap_err();
    assert!(matches!(renumbered, OpenError::WrongMember { found: 3 }));
    open_as(small()).unwrap().close().unwrap();
    assert!(open_as(Options { member: 4, ..small() }).is_err());
}

/// A disk whose syncs wait until the test lets them go.
#[derive(Clone)]
struct SlowDisk(SimDisk, Arc<Gate>);

#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    shut: bool,
    waiting: bool,
}

impl Gate {
    fn set(&self, shut: bool) {
        self.state.lock().unwrap().shut = shut;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.waiting = state.shut;
        self.changed.notify_all();
        state = self.changed.wait_while(state, |state| state.shut).unwrap();
        state.waiting = false;
    }

    fn wait_for_writer(&self) {
        let state = self.state.lock().unwrap();
        let deadline = Duration::from_secs(60);
        let (state, late) = self.changed.wait_timeout_while(state, deadline, |state| !state.waiting).unwrap();
        drop(state);
        assert!(!late.timed_out(), "the writer never synced");
    }
}

struct SlowFile(Box<dyn DiskFile>, Arc<Gate>);

impl DiskFile for SlowFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_at(offset, bytes)
    }
    fn sync(&mut self) -> std::io::Result<()> {
        self.1.pass();
        self.0.sync()
    }
    fn set_len(&mut self, length: u64) -> std::io::Result<()> {
        self.0.set_len(length)
    }
}

impl Disk for SlowDisk {
    fn list(&self) -> std::io::Result<Vec<String>> {
        self.0.list()
    }
    fn read(&self, name: &str, into: &mut Vec<u8>) -> std::io::Result<()> {
        self.0.read(name, into)
    }
    fn read_at(&self, name: &str, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
        self.0.read_at(name, offset, length)
    }
    fn length(&self, name: &str) -> std::io::Result<u64> {
        self.0.length(name)
    }
    fn create(&self, name: &str) -> std::io::Result<Box<dyn DiskFile>> {
        self.0.create(name)
    }
    fn open(&self, name: &str) -> std::io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(SlowFile(self.0.open(name)?, self.1.clone())))
    }
    fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, name: &str) -> std::io::Result<()> {
        self.0.remove(name)
    }
    fn sync_dir(&self) -> std::io::Result<()> {
        self.0.sync_dir()
    }
}

fn slow(options: Options) -> (Wal, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let disk = SlowDisk(SimDisk::default(), gate.clone());
    (Wal::open_on(Arc::new(disk), options).unwrap(), gate)
}

#[test]
fn a_full_queue_answers_busy_but_votes_truncations_and_removals_pass() {
    let (wal, gate) = slow(Options { queue_records_max: 4, ..small() });
    let log = wal.open_group(key(1, 1)).unwrap();
    gate.set(true);
    let first = start_append(&log, 1, 0..1);
    gate.wait_for_writer();
    let waiting = start_append(&log, 1, 1..4);
    let refused = log.append(entries(1, 4..6), done().0).unwrap_err();
    assert!(matches!(refused, WalError::Busy { queued_records: 3, .. }));
    assert_eq!(log.reader().last(), Some(log_id(1, 3)));
    log.save_vote(vote(2), done().0).unwrap();
    log.truncate_after(Some(2), done().0).unwrap();
    wal.remove_group(key(2, 1), done().0).unwrap();
    assert!(first.poll().is_none() && waiting.poll().is_none());
    gate.set(false);
    first.wait().unwrap();
    waiting.wait().unwrap();
}

#[test]
fn concurrent_appends_of_many_groups_share_one_sync() {
    let (wal, gate) = slow(Options::new([7; 16]));
    let logs: Vec<_> = (0..50).map(|group| wal.open_group(key(group, 1)).unwrap()).collect();
    gate.set(true);
    let first = start_append(&logs[0], 1, 0..1);
    gate.wait_for_writer();
    let barrier = Barrier::new(logs.len());
    let answers: Vec<_> = thread::scope(|scope| {
        let start = |log| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                start_append(log, 1, 10..12)
            })
        };
        let threads: Vec<_> = logs.iter().skip(1).map(start).collect();
        barrier.wait();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    gate.set(false);
    first.wait().unwrap();
    answers.iter().for_each(|answer| answer.wait().unwrap());
    let shared = wal.clone();
    wal.close().unwrap();
    assert_eq!(shared.stats().syncs, 2);
}

#[test]
fn callbacks_of_a_group_run_in_the_order_of_the_calls() {
    let wal = open(&SimDisk::default(), small());
    let log = wal.open_group(key(1, 1)).unwrap();
    let (send, receive) = mpsc::sync_channel(200);
    for index in 0..200 {
        let send = send.clone();
        log.append(entries(1, index..index + 1), Box::new(move |_| send.send(index).unwrap())).unwrap();
    }
    drop(log);
    wal.close().unwrap();
    assert!(receive.try_iter().eq(0..200));
}

#[test]
fn the_first_disk_error_fails_every_waiter_and_is_sticky() {
    let disk = SimDisk::default();
    let wal = open(&disk, small());
    let log = wal.open_group(key(1, 1)).unwrap();
    append(&log, 1, 0..1);
    let (tell, told) = mpsc::sync_channel(1);
    wal.on_failure(Box::new(move |error| tell.send(error).unwrap()));
    disk.fail_after(0);
    let answers = (1..9).map_while(|index| {
        let (tell, answer) = done();
        log.append(entries(1, index..index + 1), tell).ok().map(|()| answer)
    });
    for answer in answers.collect::<Vec<_>>() {
        assert!(matches!(answer.wait(), Err(WalError::Failed { .. })));
    }
    assert!(matches!(told.recv().unwrap(), WalError::Failed { .. }));
    assert!(matches!(log.save_vote(vote(1), done().0), Err(WalError::Failed { .. })));
    assert!(matches!(wal.failed(), Some(WalError::Failed { .. })));
    let (tell, told) = mpsc::sync_channel(1);
    wal.on_failure(Box::new(move |error| tell.send(error).unwrap()));
    assert!(told.recv().is_ok());
    drop(log);
    assert!(wal.close().is_err());
}

#[test]
fn a_panicking_callback_does_not_stop_the_log() {
    let wal = open(&SimDisk::default(), small());
    let log = wal.open_group(key(1, 1)).unwrap();
    log.append(entries(1, 0..1), Box::new(|_| panic!("a callback's own bug"))).unwrap();
    append(&log, 1, 1..2);
}

#[test]
fn the_last_handle_may_be_dropped_by_a_callback() {
    let disk = SimDisk::default();
    let wal = open(&disk, small());
    let log = wal.open_group(key(1, 1)).unwrap();
    let (tell, answer) = done();
    let held = wal.clone();
    let (let_go, gone) = mpsc::sync_channel::<()>(1);
    let callback = move |result| {
        gone.recv().unwrap();
        drop(held);
        tell(result);
    };
    log.append(entries(1, 0..1), Box::new(callback)).unwrap();
    drop((log, wal));
    let_go.send(()).unwrap();
    answer.wait().unwrap();
}

#[test]
fn disk_use_is_bounded_by_the_budget_and_nothing_live_is_lost() {
    let disk = SimDisk::default();
    let options = small();
    let wal = open(&disk, options.clone());
    let quiet = wal.open_group(key(1, 1)).unwrap();
    append(&quiet, 1, 0..3);
    let (tell, answer) = done();
    quiet.save_vote(vote(6), tell).unwrap();
    answer.wait().unwrap();
    quiet.purge(log_id(1, 0)).unwrap();
    quiet.save_committed(log_id(1, 2)).unwrap();
    let loud = wal.open_group(key(2, 1)).unwrap();
    for round in 0..200 {
        append(&loud, 1, round * 5..round * 5 + 5);
        loud.purge(log_id(1, round * 5 + 2)).unwrap();
    }
    let stats = wal.stats();
    assert!(stats.bytes <= options.budget_bytes + 4 * options.segment_bytes, "{stats:?}");
    assert!(stats.copies > 0 && stats.segments_deleted > 20, "{stats:?}");
    drop((quiet, loud));
    wal.close().unwrap();

    let wal = open(&disk, options);
    let quiet = wal.open_group(key(1, 1)).unwrap();
    assert_eq!(all(&quiet), entries(1, 1..3));
    let reader = quiet.reader();
    let kept = (reader.vote(), reader.purged(), reader.committed());
    assert_eq!(kept, (Some(vote(6)), Some(log_id(1, 0)), Some(log_id(1, 2))));
    assert_eq!(all(&wal.open_group(key(2, 1)).unwrap()), entries(1, 998..1000));
}

#[test]
fn what_little_lives_in_the_oldest_segment_moves_so_that_segments_are_used_again() {
    let options = Options { segment_bytes: 64 << 10, budget_bytes: 1 << 30, ..small() };
    let wal = open(&SimDisk::default(), options);
    let (quiet, loud) = (wal.open_group(key(1, 1)).unwrap(), wal.open_group(key(2, 1)).unwrap());
    append(&quiet, 1, 0..2);
    for round in 0..400 {
        append(&loud, 1, round * 40..round * 40 + 40);
        loud.purge(log_id(1, round * 40 + 30)).unwrap();
    }
    let stats = wal.stats();
    assert!(stats.segments_deleted > 10 && stats.segments <= 4, "{stats:?}");
    assert!(stats.copies <= 40 * stats.segments_deleted, "{stats:?}");
}

#[test]
fn segments_of_removed_groups_go_without_copies() {
    let disk = SimDisk::default();
    let wal = open(&disk, Options { budget_bytes: 1 << 30, ..small() });
    for group in 0..40 {
        let log = wal.open_group(key(group, 1)).unwrap();
        append(&log, 1, 0..20);
        let (tell, answer) = done();
        wal.remove_group(key(group, 1), tell).unwrap();
        answer.wait().unwrap();
    }
    let shared = wal.clone();
    wal.close().unwrap();
    let stats = shared.stats();
    assert_eq!((stats.copies, stats.live_bytes), (0, 0));
    assert!(stats.segments <= 2, "{stats:?}");
    let wal = open(&disk, small());
    assert!(!wal.is_known(key(0, 1)), "nothing of it is on disk any more");
    assert!(wal.is_known(key(39, 1)));
}

#[test]
fn a_record_larger_than_a_segment_gets_a_segment_of_its_own() {
    let dir = tempdir().unwrap();
    let wal = Wal::open(dir.path(), small()).unwrap();
    let log = wal.open_group(key(1, 1)).unwrap();
    append(&log, 1, 0..1);
    let big = Entry { id: log_id(1, 1), payload: Bytes::from(vec![9; 100_000]) };
    let (tell, answer) = done();
    log.append(vec![big.clone()], tell).unwrap();
    answer.wait().unwrap();
    append(&log, 1, 2..3);
    let huge = Entry { id: log_id(1, 3), payload: Bytes::from(vec![9; (8 << 20) + 1]) };
    assert!(matches!(log.append(vec![huge], done().0), Err(WalError::TooLarge { .. })));
    drop(log);
    wal.close().unwrap();
    let wal = Wal::open(dir.path(), small()).unwrap();
    assert_eq!(wal.open_group(key(1, 1)).unwrap().reader().entries(1..2, 0).unwrap(), [big]);
}

#[test]
fn hints_and_purges_never_force_a_sync() {
    let wal = open(&SimDisk::default(), small());
    let log = wal.open_group(key(1, 1)).unwrap();
    append(&log, 1, 0..100);
    for index in 0..100 {
        log.save_committed(log_id(1, index)).unwrap();
        log.purge(log_id(1, index)).unwrap();
    }
    assert_eq!(log.reader().committed(), Some(log_id(1, 99)));
    drop(log);
    let shared = wal.clone();
    wal.close().unwrap();
    assert_eq!(shared.stats().syncs, 2);
}

#[test]
fn reopening_again_and_again_leaves_no_files_behind() {
    let disk = SimDisk::default();
    for _ in 0..20 {
        open(&disk, small()).close().unwrap();
    }
    let names: BTreeMap<_, _> = disk.files();
    assert_eq!(names.into_keys().collect::<Vec<_>>(), ["wal-0000000000000001.seg"]);
}

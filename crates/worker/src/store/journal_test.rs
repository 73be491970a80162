use muster_wire::job::{AttemptKey, Exit, ExitKind};
use muster_wire::rpc::worker::ReportShardResult;
use muster_wire::{
    Attempt, DispatchToken, Generation, JobId, MemberNumber, NodeId, NodeRef, Shard, Token, WorkflowIx,
};

use super::super::records::{At, Begun, Owed};
use super::*;

fn node() -> NodeRef {
    let (id, generation, member) = (NodeId(1), Generation(1), MemberNumber(0));
    NodeRef { id, generation, member, name: String::new(), addr: String::new() }
}

fn key(shard: u32) -> AttemptKey {
    AttemptKey { workflow: WorkflowIx(0), shard: Shard(shard), attempt: Attempt(1) }
}

fn at(shard: u32) -> At {
    At::new(JobId(1), key(shard))
}

fn begun(shard: u32) -> Change {
    let (job, key, token, dispatch) = (JobId(1), key(shard), Token(1), DispatchToken::default());
    Change::Begun(Begun { job, key, token, dispatch, manager: node(), started_at_ms: 1 })
}

fn owed(shard: u32) -> Change {
    let report = ReportShardResult {
        job: JobId(1),
        token: Token(1),
        dispatch: DispatchToken::default(),
        worker: node(),
        key: key(shard),
        exit: Exit::because(ExitKind::Lost, "a test"),
        outputs: Default::default(),
        context: Default::default(),
        stats: Default::default(),
        started_at_ms: 1,
        finished_at_ms: 2,
        forwarded: false,
    };
    Change::Owed(Box::new(Owed { manager: None, report }))
}

/// The life of two attempts, the second one's without its end.
fn changes() -> Vec<Change> {
    vec![begun(0), begun(1), owed(0), Change::Ended(at(0)), Change::Acknowledged(at(0)), owed(1)]
}

fn kept_after(changes: &[Change]) -> Kept {
    let mut kept = Kept::default();
    changes.iter().cloned().for_each(|change| assert!(kept.apply(change)));
    kept
}

/// The states after none, one, and more of them.
fn states() -> Vec<Kept> {
    (0..=changes().len()).map(|count| kept_after(&changes()[..count])).collect()
}

/// Notes them all; what the file says then.
fn noted(path: &Path) -> Vec<u8> {
    let journal = Journal::open(path).unwrap();
    changes().into_iter().for_each(|change| journal.note_durably(change).unwrap());
    std::fs::read(path).unwrap()
}

#[test]
fn what_was_noted_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records");
    noted(&path);
    let again = Journal::open(&path).unwrap();
    assert_eq!(again.kept(), kept_after(&changes()));
    again.note(Change::Ended(at(1))).unwrap();
    assert_eq!(Journal::open(&path).unwrap().kept().begun.len(), 0);
    assert!(!path.with_extension("bad").exists());
}

#[test]
fn a_file_that_was_cut_anywhere_keeps_what_stands_before_the_cut_and_takes_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records");
    let (whole, states) = (noted(&path), states());
    let mut reached = 0;
    for length in HEADER..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let journal = Journal::open(&path).unwrap();
        let now = journal.kept();
        reached += usize::from(now != states[reached]);
        assert_eq!(now, states[reached], "cut at {length}");
        journal.note(begun(9)).unwrap();
        assert!(Journal::open(&path).unwrap().kept().begun.contains_key(&at(9)));
    }
    assert_eq!(reached, changes().len() - 1);
}

#[test]
fn a_flipped_byte_is_never_read_as_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records");
    let (whole, states) = (noted(&path), states());
    let before_the_last = &states[..changes().len()];
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        let (kept, is_whole) = replay(&bytes);
        assert!(!is_whole && before_the_last.contains(&kept), "flipped at {at}");
    }
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    drop(Journal::open(&path).unwrap());
    assert_eq!(std::fs::read(path.with_extension("bad")).unwrap(), whole[..whole.len() - 1]);
}

#[test]
fn the_file_does_not_grow_with_what_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records");
    let journal = Journal::open(&path).unwrap();
    journal.note(begun(u32::MAX)).unwrap();
    for shard in 0..10_000 {
        let life = [begun(shard), owed(shard), Change::Ended(at(shard)), Change::Acknowledged(at(shard))];
        life.into_iter().for_each(|change| journal.note(change).unwrap());
    }
    assert!(std::fs::metadata(&path).unwrap().len() < REWRITE_BYTES_MIN + 4096);
    assert_eq!(read(&path).unwrap(), (kept_after(&[begun(u32::MAX)]), true));
}

#[test]
fn after_a_failed_write_the_next_change_begins_a_new_file_with_all_that_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records");
    let journal = Journal::open(&path).unwrap();
    journal.inner().file = Arc::new(File::open(&path).unwrap());
    assert!(journal.note(begun(0)).is_err(), "the file is open for reading only");
    journal.note_durably(begun(1)).unwrap();
    assert_eq!(read(&path).unwrap(), (kept_after(&[begun(0), begun(1)]), true));
}

#[test]
fn many_callers_note_durably_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records");
    let journal = Journal::open(&path).unwrap();
    std::thread::scope(|scope| {
        for caller in 0..8 {
            let journal = &journal;
            scope.spawn(move || (0..50).for_each(|at| journal.note_durably(owed(caller * 50 + at)).unwrap()));
        }
    });
    assert_eq!(read(&path).unwrap().0.owed.len(), 400);
}

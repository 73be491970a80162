use super::{Rest, Rests, read, write};

fn rest(group: u64) -> Rest {
    Rest { group, incarnation: 0, end: (1, 2, 3), due_ms: 4 }
}

#[test]
fn what_was_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = Rests::open(dir.path()).path();
    write(&path, &[rest(1), rest(2)]).unwrap();
    assert_eq!(read(&path).unwrap(), [rest(1), rest(2)]);
}

#[test]
fn a_torn_file_says_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = Rests::open(dir.path()).path();
    write(&path, &[rest(1), rest(2)]).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(read(&path).is_err(), "{length} bytes of {} were believed", whole.len());
        assert!(Rests::open(dir.path()).found.lock().unwrap().is_empty());
    }
}

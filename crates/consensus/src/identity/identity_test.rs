use tempfile::TempDir;

use super::*;

fn manager(dir: &TempDir) -> Result<Identity, IdentityError> {
    open(dir.path(), "m1", Role::Manager)
}

fn joining() -> Joining {
    let me = FoundingMember { number: MemberNumber(2), name: "m1".into(), node: NodeId(5) };
    Joining { cluster: ClusterId(9), member: MemberNumber(2), members: vec![me], founder: false }
}

fn with_wal(dir: &TempDir) {
    std::fs::create_dir_all(dir.path().join(WAL_DIR)).unwrap();
    std::fs::write(dir.path().join(WAL_DIR).join("1.wal"), b"segment").unwrap();
}

#[test]
fn the_node_id_stays_and_the_generation_rises_with_each_open() {
    let dir = TempDir::new().unwrap();
    let first = manager(&dir).unwrap();
    let (node, generation) = (first.node, first.generation);
    drop(first);
    let second = manager(&dir).unwrap();
    assert_eq!((second.node, second.generation), (node, Generation(generation.0 + 1)));
    assert_eq!((generation, second.member, second.cluster), (Generation(1), MemberNumber(0), None));
}

#[test]
fn a_second_process_is_refused_until_the_first_lets_go() {
    let dir = TempDir::new().unwrap();
    let first = manager(&dir).unwrap();
    let clone = first.clone();
    drop(first);
    let refusal = manager(&dir).unwrap_err();
    assert!(refusal.to_string().ends_with("is in use by another process"), "{refusal}");
    drop(clone);
    manager(&dir).unwrap();
}

#[test]
fn what_was_promised_joined_and_seen_survives() {
    let dir = TempDir::new().unwrap();
    with_wal(&dir);
    let mut identity = manager(&dir).unwrap();
    let list = muster_wire::job::Digest([3; 32]);
    let promise = FoundingPromise { list, number: MemberNumber(2), members: joining().members };
    identity.promise(promise.clone()).unwrap();
    drop(identity);
    identity = manager(&dir).unwrap();
    assert_eq!(identity.promised(), Some(promise));
    identity.joined(joining()).unwrap();
    identity.saw_generation(MemberNumber(3), Generation(8)).unwrap();
    identity.saw_generation(MemberNumber(3), Generation(7)).unwrap();
    drop(identity);
    identity = manager(&dir).unwrap();
    assert_eq!((identity.cluster, identity.member), (Some(ClusterId(9)), MemberNumber(2)));
    assert_eq!((identity.promised(), identity.members()), (None, joining().members));
    assert_eq!(identity.seen(), BTreeMap::from([(MemberNumber(3), Generation(8))]));
}

#[test]
fn a_member_without_its_log_is_refused_and_told_what_to_do() {
    let dir = TempDir::new().unwrap();
    manager(&dir).unwrap().joined(joining()).unwrap();
    let refusal = manager(&dir).unwrap_err();
    assert!(matches!(refusal, IdentityError::WalMissing { member: MemberNumber(2), .. }));
    assert!(refusal.to_string().contains("`muster node remove m1`"), "{refusal}");
    std::fs::create_dir_all(dir.path().join(WAL_DIR)).unwrap();
    std::fs::write(dir.path().join(WAL_DIR).join("LOCK"), b"").unwrap();
    assert!(matches!(manager(&dir), Err(IdentityError::WalMissing { .. })));
    with_wal(&dir);
    manager(&dir).unwrap();
}

#[test]
fn a_node_without_a_number_needs_no_log_and_may_be_renamed() {
    let dir = TempDir::new().unwrap();
    open(dir.path(), "w1", Role::Worker).unwrap();
    assert_eq!(open(dir.path(), "w2", Role::Worker).unwrap().name(), "w2");
}

#[test]
fn another_role_or_a_members_other_name_is_refused() {
    let dir = TempDir::new().unwrap();
    with_wal(&dir);
    manager(&dir).unwrap().joined(joining()).unwrap();
    assert!(matches!(open(dir.path(), "m1", Role::Gate), Err(IdentityError::RoleChanged { .. })));
    assert!(matches!(open(dir.path(), "m2", Role::Manager), Err(IdentityError::NameChanged { .. })));
}

#[test]
fn a_damaged_file_is_never_taken_for_a_new_node() {
    let dir = TempDir::new().unwrap();
    drop(manager(&dir).unwrap());
    let path = dir.path().join("identity");
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(manager(&dir), Err(IdentityError::Damaged { .. })), "byte {at}");
        std::fs::write(&path, &whole[..at]).unwrap();
        assert!(matches!(manager(&dir), Err(IdentityError::Damaged { .. })), "cut at {at}");
    }
    std::fs::write(&path, &whole).unwrap();
    manager(&dir).unwrap();
}

#[test]
fn the_unfinished_replacement_of_a_crash_is_ignored() {
    let dir = TempDir::new().unwrap();
    let node = manager(&dir).unwrap().node;
    std::fs::write(dir.path().join("identity.tmp"), b"half").unwrap();
    assert_eq!(manager(&dir).unwrap().node, node);
}

#[test]
fn a_change_that_cannot_be_written_is_not_known_either() {
    let dir = TempDir::new().unwrap();
    let mut identity = manager(&dir).unwrap();
    std::fs::create_dir(dir.path().join("identity.tmp")).unwrap();
    assert!(matches!(identity.joined(joining()), Err(IdentityError::Io { .. })));
    assert_eq!((identity.membership(), identity.cluster), (None, None));
}

#[test]
fn generations_seen_are_bounded() {
    let dir = TempDir::new().unwrap();
    let identity = manager(&dir).unwrap();
    let many = (1..=SEEN_MAX as u32 + 5).map(|member| (MemberNumber(member), Generation(1))).collect();
    identity.saw_generations(&many).unwrap();
    assert_eq!(identity.seen().len(), SEEN_MAX);
}

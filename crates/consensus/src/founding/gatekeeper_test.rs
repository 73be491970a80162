use std::time::Duration;

use muster_wire::NodeId;
use tempfile::TempDir;

use super::*;
use crate::identity::{self, Joining};

const SOON: Duration = Duration::from_secs(20);

fn hello(number: u32) -> Hello {
    Hello {
        protocol: PROTOCOL,
        cluster_name: "prod".into(),
        cluster: Some(ClusterId(7)),
        node: NodeId(u128::from(number)),
        member: MemberNumber(number),
        generation: Generation(4),
        role: Role::Manager,
        datacenter: "eu-1".into(),
        name: format!("m{number}"),
        rpc: String::new(),
        feature: 1,
    }
}

fn member(number: u32) -> FoundingMember {
    FoundingMember {
        number: MemberNumber(number),
        name: format!("m{number}"),
        node: NodeId(u128::from(number)),
    }
}

/// Member 1 of cluster 7 with members 1 to 3.
fn keeper(dir: &TempDir) -> Arc<ClusterGatekeeper> {
    let mut identity = identity::open(dir.path(), "m1", Role::Manager).unwrap();
    let members = (1..=3).map(member).collect();
    let joining = Joining { cluster: ClusterId(7), member: MemberNumber(1), members, founder: true };
    identity.joined(joining).unwrap();
    ClusterGatekeeper::new(&identity, hello(1))
}

fn refused(theirs: &Hello) -> HelloRefusal {
    let dir = TempDir::new().unwrap();
    keeper(&dir).check(theirs).unwrap_err()
}

fn accepted(theirs: &Hello) {
    let dir = TempDir::new().unwrap();
    assert_eq!(keeper(&dir).check(theirs), Ok(()));
}

#[test]
fn members_newcomers_and_other_tiers_are_let_in() {
    accepted(&hello(2));
    accepted(&hello(9));
    accepted(&Hello { cluster: None, member: MemberNumber(0), node: NodeId(99), ..hello(2) });
    accepted(&Hello { role: Role::Worker, cluster: None, member: MemberNumber(0), ..hello(2) });
    accepted(&Hello { role: Role::Gate, cluster: Some(ClusterId(8)), ..hello(2) });
    accepted(&Hello { datacenter: "us-1".into(), cluster: Some(ClusterId(8)), node: NodeId(99), ..hello(2) });
}

#[test]
fn another_installation_is_refused() {
    let theirs = Hello { cluster_name: "test".into(), role: Role::Gate, ..hello(2) };
    assert!(matches!(refused(&theirs), HelloRefusal::ClusterName { .. }));
}

#[test]
fn a_protocol_two_versions_away_is_refused() {
    accepted(&Hello { protocol: PROTOCOL + 1, ..hello(2) });
    assert!(matches!(refused(&Hello { protocol: PROTOCOL + 2, ..hello(2) }), HelloRefusal::Protocol { .. }));
}

#[test]
fn another_cluster_of_the_same_tier_is_refused() {
    let theirs = Hello { cluster: Some(ClusterId(8)), ..hello(2) };
    assert_eq!(refused(&theirs), HelloRefusal::Cluster { here: ClusterId(7), theirs: ClusterId(8) });
}

#[test]
fn gates_are_one_cluster_wherever_they_stand() {
    let dir = TempDir::new().unwrap();
    let mut identity = identity::open(dir.path(), "m1", Role::Gate).unwrap();
    let joining = Joining { cluster: ClusterId(7), member: MemberNumber(1), members: vec![], founder: true };
    identity.joined(joining).unwrap();
    let keeper = ClusterGatekeeper::new(&identity, Hello { role: Role::Gate, ..hello(1) });
    let elsewhere =
        Hello { role: Role::Gate, datacenter: "us-1".into(), cluster: Some(ClusterId(8)), ..hello(2) };
    assert!(matches!(keeper.check(&elsewhere), Err(HelloRefusal::Cluster { .. })));
}

#[test]
fn a_number_of_another_node_is_refused_and_says_what_to_do() {
    let refusal = refused(&Hello { node: NodeId(99), ..hello(2) });
    assert_eq!(
        refusal,
        HelloRefusal::MemberTaken { member: MemberNumber(2), owner: NodeId(2), name: "m2".into() }
    );
    assert!(refusal.to_string().contains("`muster node remove m2`"));
    assert!(matches!(refused(&Hello { node: NodeId(99), ..hello(1) }), HelloRefusal::MemberTaken { .. }));
}

#[test]
fn a_generation_below_the_highest_seen_is_refused_and_the_same_one_is_not() {
    let dir = TempDir::new().unwrap();
    let keeper = keeper(&dir);
    assert_eq!(keeper.check(&hello(2)), Ok(()));
    assert_eq!(keeper.check(&hello(2)), Ok(()));
    let older = Hello { generation: Generation(3), ..hello(2) };
    let refusal = HelloRefusal::Generation { theirs: Generation(3), seen: Generation(4) };
    assert_eq!(keeper.check(&older), Err(refusal));
}

#[test]
fn numbers_and_generations_of_the_directory_count() {
    let dir = TempDir::new().unwrap();
    let keeper = keeper(&dir);
    let mut bench = crate::directory::testing::Bench::of(4);
    bench.applied(&crate::directory::MemberJoin {
        generation: Generation(6),
        ..crate::directory::testing::join(4)
    });
    keeper.know_directory(bench.directory());
    assert!(matches!(
        keeper.check(&Hello { node: NodeId(99), ..hello(4) }),
        Err(HelloRefusal::MemberTaken { .. })
    ));
    assert!(matches!(keeper.check(&hello(4)), Err(HelloRefusal::Generation { .. })));
}

#[tokio::test]
async fn the_highest_generation_seen_survives_a_restart() {
    let dir = TempDir::new().unwrap();
    let scope = TaskScope::new();
    let first = keeper(&dir);
    first.keep_generations(&scope);
    first.check(&hello(2)).unwrap();
    scope.shutdown(SOON).await.unwrap();
    drop(first);
    let wal = dir.path().join(identity::WAL_DIR);
    std::fs::create_dir(&wal).unwrap();
    std::fs::write(wal.join("1.wal"), b"segment").unwrap();
    let identity = identity::open(dir.path(), "m1", Role::Manager).unwrap();
    let again = ClusterGatekeeper::new(&identity, hello(1));
    let older = Hello { generation: Generation(3), ..hello(2) };
    assert!(matches!(again.check(&older), Err(HelloRefusal::Generation { .. })));
}

#[test]
fn members_seen_are_bounded() {
    let mut known = Known::default();
    for number in 1..=SEEN_MAX as u32 + 9 {
        known.see(MemberNumber(number), Generation(1));
    }
    assert_eq!(known.seen.len(), SEEN_MAX);
}

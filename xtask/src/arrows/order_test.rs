//! The order of the crates, on made-up workspaces.

use super::order::{Package, faults, packages_in};

fn package(name: &str, dependencies: &[&str]) -> Package {
    Package { name: name.into(), dependencies: dependencies.iter().map(ToString::to_string).collect() }
}

fn faults_of(name: &str, dependency: &str) -> usize {
    faults(&[package(name, &[dependency])]).len()
}

#[test]
fn a_crate_may_depend_on_earlier_ones_and_on_the_outside() {
    assert_eq!(faults_of("muster-gate", "muster-consensus"), 0);
    assert_eq!(faults_of("muster-cli", "muster-gate"), 0);
    assert_eq!(faults_of("muster-wire", "serde"), 0);
    assert_eq!(faults_of("muster-tests", "muster-cli"), 0);
}

#[test]
fn a_crate_may_not_depend_on_later_ones_or_on_itself() {
    assert_eq!(faults_of("muster-wire", "muster-runtime"), 1);
    assert_eq!(faults_of("muster-consensus", "muster-node"), 1);
    assert_eq!(faults_of("muster-wal", "muster-wal"), 1);
}

#[test]
fn the_roles_do_not_know_each_other() {
    let roles = ["muster-manager", "muster-gate", "muster-worker", "muster-client"];
    for role in roles {
        assert_eq!(faults(&[package(role, &roles)]).len(), roles.len(), "{role}");
    }
}

#[test]
fn only_consensus_depends_on_openraft() {
    assert_eq!(faults_of("muster-consensus", "openraft"), 0);
    assert_eq!(faults_of("muster-node", "openraft"), 1);
    assert_eq!(faults_of("muster-tests", "openraft-memstore"), 1);
}

#[test]
fn a_crate_without_a_place_is_a_fault() {
    assert_eq!(faults_of("muster-misc", "serde"), 1);
}

#[test]
fn packages_are_read_from_cargo_metadata() {
    let text =
        br#"{"packages": [{"name": "muster-wal", "dependencies": [{"name": "bytes"}, {"name": "nix"}]}]}"#;
    let packages = packages_in(text).unwrap();
    assert_eq!(packages[0].name, "muster-wal");
    assert_eq!(packages[0].dependencies, ["bytes", "nix"]);
    assert!(packages_in(b"{}").is_err());
}

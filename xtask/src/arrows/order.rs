//! Which crate may depend on which.

use anyhow::Context;
use serde_json::Value;

/// Each crate with its level: it may depend on crates of lower levels only, so crates of one level do not know each
/// other. The docs show the same list.
const LEVELS: &[(&str, u8)] = &[
    ("muster-wire", 0),
    ("muster-allocator", 1),
    ("muster-runtime", 1),
    ("muster-sites", 1),
    ("muster-spec", 2),
    ("muster-machine", 3),
    ("muster-wal", 4),
    ("muster-swim", 5),
    ("muster-link", 6),
    ("muster-consensus", 7),
    ("muster-node", 8),
    ("muster-groups", 8),
    ("muster-manager", 9),
    ("muster-gate", 9),
    ("muster-worker", 9),
    ("muster-client", 9),
    ("muster-cli", 10),
    ("muster-tests", 11),
    ("xtask", 11),
];

/// The only crate that may depend on `openraft`.
const RAFT_HOST: &str = "muster-consensus";

/// A crate of the workspace with the names of all it depends on, for builds and tests alike.
pub(super) struct Package {
    pub(super) name: String,
    pub(super) dependencies: Vec<String>,
}

/// Reads the packages out of what `cargo metadata` printed.
pub(super) fn packages_in(metadata: &[u8]) -> anyhow::Result<Vec<Package>> {
    let metadata: Value = serde_json::from_slice(metadata).context("cargo metadata printed no JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    packages.iter().map(package).collect()
}

/// One sentence per dependency that points the wrong way.
pub(super) fn faults(packages: &[Package]) -> Vec<String> {
    packages.iter().flat_map(package_faults).collect()
}

fn package(value: &Value) -> anyhow::Result<Package> {
    let name = name_of(value)?;
    let dependencies = value["dependencies"].as_array().context("a package without dependencies")?;
    Ok(Package { name, dependencies: dependencies.iter().map(name_of).collect::<Result<_, _>>()? })
}

fn name_of(value: &Value) -> anyhow::Result<String> {
    Ok(value["name"].as_str().context("cargo metadata left out a name")?.to_owned())
}

fn package_faults(package: &Package) -> Vec<String> {
    let name = &package.name;
    let Some(level) = level_of(name) else {
        return vec![format!("crate `{name}` has no place in the order: give it one in xtask's `LEVELS`")];
    };
    let dependencies = package.dependencies.iter();
    dependencies.filter_map(|dependency| dependency_fault((name, level), dependency)).collect()
}

fn dependency_fault((name, level): (&str, u8), dependency: &str) -> Option<String> {
    if dependency.starts_with("openraft") {
        return raft_fault(name, dependency);
    }
    let points_down = level_of(dependency).is_none_or(|lower| lower < level);
    let text =
        format!("crate `{name}` may not depend on `{dependency}`: arrows point down the list of crates only");
    (!points_down).then_some(text)
}

fn raft_fault(name: &str, dependency: &str) -> Option<String> {
    let text = format!("crate `{name}` may not depend on `{dependency}`: only `{RAFT_HOST}` does");
    (name != RAFT_HOST).then_some(text)
}

fn level_of(name: &str) -> Option<u8> {
    LEVELS.iter().find(|(known, _)| *known == name).map(|(_, level)| *level)
}

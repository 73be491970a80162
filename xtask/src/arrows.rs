//! `cargo xtask arrows`: holds the order of the crates and keeps the state machines pure.

mod order;
#[cfg(test)]
mod order_test;
mod purity;
#[cfg(test)]
mod purity_test;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::sources;
use crate::tools;
use crate::verdict::Verdict;

/// The crates whose sources are pure as a whole.
const PURE_CRATES: &[&str] = &["machine", "wire", "spec"];

/// Checks the workspace; takes no arguments. Prints one line per fault.
pub(crate) fn run(_: &[String]) -> anyhow::Result<Verdict> {
    Ok(Verdict::from_faults(&workspace_faults()?))
}

/// Every fault of the workspace, against the order first, then against purity.
fn workspace_faults() -> anyhow::Result<Vec<String>> {
    let mut faults = order::faults(&order::packages_in(&metadata()?)?);
    for path in pure_paths()? {
        faults.extend(impure_names(&path)?);
    }
    Ok(faults)
}

fn metadata() -> anyhow::Result<Vec<u8>> {
    let mut cargo = tools::cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let output = cargo.output().context("cannot run cargo metadata")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo metadata failed: {complaint}");
    Ok(output.stdout)
}

/// The sources of the pure crates, and in every other crate the module `machine`: its folder and the file that
/// opens it. A crate's `tests` folder stands outside and may read files.
fn pure_paths() -> anyhow::Result<Vec<PathBuf>> {
    let crates = sources::workspace_root().join("crates");
    let mut paths: Vec<_> = PURE_CRATES.iter().map(|name| crates.join(name).join("src")).collect();
    for folder in sources::folders_in(&crates)? {
        paths.extend([folder.join("src/machine"), folder.join("src/machine.rs")]);
    }
    paths.retain(|path| path.exists());
    Ok(paths)
}

fn impure_names(path: &Path) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    for file in sources::rust_files(path)? {
        let shown = sources::shown(&file);
        let found = purity::faults(&sources::read(&file)?);
        faults.extend(found.into_iter().map(|fault| format!("{shown}:{}: {}", fault.line, fault.text)));
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_workspace_keeps_its_order_and_its_machines_pure() {
        let faults = super::workspace_faults().unwrap();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

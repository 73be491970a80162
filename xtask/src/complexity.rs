//! `cargo xtask complexity [PATHS…]`: holds the limits on functions and files.
//!
//! Seen is what `syn` parses; the bodies of macro calls are not.

mod branches;
#[cfg(test)]
mod branches_test;
mod rules;
#[cfg(test)]
mod rules_test;
mod survey;

use std::path::{Path, PathBuf};

use crate::sources;
use crate::verdict::Verdict;

/// The folders looked at when no path is given; one that does not exist is left out.
const ROOTS: &[&str] = &["crates", "xtask", "tests", "sim"];

/// Checks the files at or below the given paths, or the whole workspace; prints one line per fault.
pub(crate) fn run(paths: &[String]) -> anyhow::Result<Verdict> {
    let mut faults = Vec::new();
    for path in roots(paths) {
        for file in sources::rust_files(&path)? {
            faults.extend(faults_in(&file)?);
        }
    }
    Ok(Verdict::from_faults(&faults))
}

fn roots(paths: &[String]) -> Vec<PathBuf> {
    if !paths.is_empty() {
        return paths.iter().map(PathBuf::from).collect();
    }
    let root = sources::workspace_root();
    ROOTS.iter().map(|name| root.join(name)).filter(|path| path.exists()).collect()
}

fn faults_in(file: &Path) -> anyhow::Result<Vec<String>> {
    let shown = sources::shown(file);
    let text = sources::read(file)?;
    let kind = rules::FileKind::of(Path::new(&shown));
    let faults = rules::faults(&text, kind);
    Ok(faults.into_iter().map(|fault| format!("{shown}:{}: {}", fault.line, fault.text)).collect())
}

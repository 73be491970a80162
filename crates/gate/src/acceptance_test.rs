//! `docs/acceptance-gates.md` names tests: each of them is there.

use std::path::{Path, PathBuf};

/// Folders with tests, from this crate's own.
const FOLDERS: &[&str] = &[
    "src",
    "../client/src",
    "../cli/src",
    "../consensus/src",
    "../node/src",
    "../link/src",
    "../../tests/tests",
];

fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, text),
            false => text.push_str(&std::fs::read_to_string(&path).unwrap_or_default()),
        }
    }
}

#[test]
fn every_test_that_the_gates_acceptance_list_names_is_there() {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let list = std::fs::read_to_string(here.join("../../docs/acceptance-gates.md")).unwrap();
    let mut text = String::new();
    FOLDERS.iter().for_each(|folder| sources(&here.join(folder), &mut text));
    let rows = list.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| number"));
    let named = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).filter(|name| name.contains('_'));
    let missing: Vec<&str> = named.filter(|name| !text.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

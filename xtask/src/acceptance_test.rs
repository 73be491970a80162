//! The acceptance lists of `docs/` name tests: each of them is there.

use std::path::{Path, PathBuf};

/// A list, and the folders whose tests it names.
const LISTS: &[(&str, &[&str])] = &[
    ("acceptance-managers.md", &["crates/manager/src", "crates/worker/src", "tests/tests"]),
    (
        "acceptance-gates.md",
        &[
            "crates/gate/src",
            "crates/client/src",
            "crates/cli/src",
            "crates/consensus/src",
            "crates/node/src",
            "crates/link/src",
            "tests/tests",
        ],
    ),
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

fn missing(root: &Path, list: &str, folders: &[&str]) -> Vec<String> {
    let list = std::fs::read_to_string(root.join("docs").join(list)).unwrap();
    let mut text = String::new();
    folders.iter().for_each(|folder| sources(&root.join(folder), &mut text));
    let rows = list.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| number"));
    let named = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).filter(|name| name.contains('_'));
    named.filter(|name| !text.contains(&format!("fn {name}("))).map(str::to_owned).collect()
}

#[test]
fn every_test_that_an_acceptance_list_names_is_there() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let missing: Vec<String> =
        LISTS.iter().flat_map(|(list, folders)| missing(&root, list, folders)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

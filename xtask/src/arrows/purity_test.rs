//! The forbidden names, on small files.

use super::purity::faults;

fn names(text: &str) -> Vec<String> {
    faults(text).into_iter().map(|fault| fault.text.replace("pure code may not name ", "")).collect()
}

#[test]
fn runtimes_servers_consensus_and_clocks_are_found_wherever_they_stand() {
    assert_eq!(names("use tokio::sync::mpsc;"), ["`tokio`"]);
    assert_eq!(names("fn f() { axum::serve(a, b) }"), ["`axum`"]);
    assert_eq!(names("type A = Vec<openraft::LogId>;"), ["`openraft`"]);
    assert_eq!(names("use std::time::{Duration, Instant};"), ["`Instant`"]);
    assert_eq!(names("select!(a => SystemTime::now());"), ["`SystemTime`"]);
}

#[test]
fn files_are_found_by_path_and_in_lists() {
    assert_eq!(names("use std::fs::File;"), ["`std::fs`"]);
    assert_eq!(names("use std::{fs, io};"), ["`std::fs`"]);
    assert_eq!(names("fn f() { std::fs::read(a) }"), ["`std::fs`"]);
}

#[test]
fn comments_and_like_names_pass() {
    assert!(names("//! Not tokio.\n/// Nor Instant.\nstruct A { fs: u8, at: InstantMs }").is_empty());
    assert!(names("fn f(fs: u8) -> std::time::Duration { g(fs) }").is_empty());
}

#[test]
fn a_fault_names_its_line() {
    assert_eq!(faults("struct A;\n\nuse tokio::fs;")[0].line, 3);
}

#[test]
fn a_text_without_tokens_is_a_fault() {
    assert_eq!(faults("fn f( {").len(), 1);
}

//! What pure code may not name. The check is on tokens, so it also sees into macro calls.

use proc_macro2::{Ident, LexError, TokenStream, TokenTree};

/// The names that stand for a runtime, a web server, consensus or a clock.
const FORBIDDEN: &[&str] = &["tokio", "tokio_util", "axum", "openraft", "Instant", "SystemTime"];

/// A name that pure code may not use.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) text: String,
}

/// Every forbidden name in one file's text, comments left out.
pub(super) fn faults(text: &str) -> Vec<Fault> {
    let tokens: Result<TokenStream, LexError> = text.parse();
    match tokens {
        Ok(tokens) => faults_in(tokens),
        Err(error) => {
            vec![Fault { line: error.span().start().line, text: format!("cannot be read: {error}") }]
        }
    }
}

fn faults_in(tokens: TokenStream) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut in_std = StdPath::Outside;
    for token in tokens {
        faults.extend(token_faults(&token, in_std));
        in_std = in_std.after(&token);
    }
    faults
}

fn token_faults(token: &TokenTree, before: StdPath) -> Vec<Fault> {
    match token {
        TokenTree::Ident(ident) => ident_fault(ident, before).into_iter().collect(),
        TokenTree::Group(group) => group_faults(group, before),
        _ => Vec::new(),
    }
}

fn group_faults(group: &proc_macro2::Group, before: StdPath) -> Vec<Fault> {
    let mut faults = faults_in(group.stream());
    if before == StdPath::Inside {
        faults.extend(group.stream().into_iter().filter_map(|token| listed_fault(&token)));
    }
    faults
}

/// `fs` in `use std::{fs, io}`.
fn listed_fault(token: &TokenTree) -> Option<Fault> {
    match token {
        TokenTree::Ident(ident) => files_fault(ident),
        _ => None,
    }
}

fn ident_fault(ident: &Ident, before: StdPath) -> Option<Fault> {
    if before == StdPath::Inside {
        return files_fault(ident);
    }
    let name = ident.to_string();
    FORBIDDEN.contains(&name.as_str()).then(|| fault(ident, &name))
}

fn files_fault(ident: &Ident) -> Option<Fault> {
    (ident == "fs").then(|| fault(ident, "std::fs"))
}

fn fault(ident: &Ident, name: &str) -> Fault {
    Fault { line: ident.span().start().line, text: format!("pure code may not name `{name}`") }
}

/// How much of `std::` stands before a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StdPath {
    Outside,
    Std,
    Colon,
    Inside,
}

impl StdPath {
    fn after(self, token: &TokenTree) -> Self {
        match (self, token.to_string().as_str()) {
            (_, "std") => StdPath::Std,
            (StdPath::Std, ":") => StdPath::Colon,
            (StdPath::Colon, ":") => StdPath::Inside,
            _ => StdPath::Outside,
        }
    }
}

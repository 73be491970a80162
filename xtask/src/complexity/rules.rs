//! The limits, and what a file breaks of them.

use std::path::Path;

use super::survey::{Function, Survey};

const COMPLEXITY_MAX: usize = 4;
const FUNCTION_LINES_MAX: usize = 50;
const FILE_LINES_MAX: usize = 400;
const PARAMETERS_MAX: usize = 4;

/// Which limits hold for a file, known by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// All of them.
    Product,
    /// `*_test.rs` and `tests.rs`, the outsourced body of a `#[cfg(test)]` module: no limit on lengths and complexity.
    UnitTests,
    /// Below a `tests` folder, code of its own that runs the product from outside: no limit on lengths.
    TestSuite,
}

/// One broken limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) text: String,
}

impl FileKind {
    /// The kind of the file at this path (relative to the workspace).
    pub(super) fn of(path: &Path) -> Self {
        if is_unit_test_file(path) { FileKind::UnitTests } else { Self::of_code(path) }
    }

    fn of_code(path: &Path) -> Self {
        let below_tests = path.iter().any(|part| part == "tests");
        if below_tests { FileKind::TestSuite } else { FileKind::Product }
    }

    fn limits_lengths(self) -> bool {
        self == FileKind::Product
    }

    fn limits_complexity(self) -> bool {
        self != FileKind::UnitTests
    }
}

/// Every fault of one file's text, by line; a text that is no Rust is one fault.
pub(super) fn faults(text: &str, kind: FileKind) -> Vec<Fault> {
    let survey = match syn::parse_file(text) {
        Ok(file) => Survey::of(&file),
        Err(error) => return vec![unparsed(&error)],
    };
    let mut faults = Vec::new();
    faults.extend(file_length_fault(text.lines().count(), &survey, kind));
    faults.extend(survey.else_ifs.iter().map(|&line| else_if_fault(line)));
    faults.extend(survey.functions.iter().flat_map(|function| function_faults(function, kind)));
    faults.sort_by_key(|fault| fault.line);
    faults
}

fn unparsed(error: &syn::Error) -> Fault {
    Fault { line: error.span().start().line, text: format!("cannot be parsed: {error}") }
}

fn file_length_fault(all_lines: usize, survey: &Survey, kind: FileKind) -> Option<Fault> {
    let lines = all_lines.saturating_sub(survey.test_lines);
    let text = format!("file has {lines} lines (at most {FILE_LINES_MAX})");
    (kind.limits_lengths() && lines > FILE_LINES_MAX).then_some(Fault { line: 1, text })
}

fn else_if_fault(line: usize) -> Fault {
    let text = "`else if`: choose by type, by table or by `match`".to_owned();
    Fault { line, text }
}

fn function_faults(function: &Function, kind: FileKind) -> Vec<Fault> {
    let faults = [complexity_fault(function, kind), length_fault(function, kind), parameters_fault(function)];
    faults.into_iter().flatten().map(|text| fault_of(function, &text)).collect()
}

fn fault_of(function: &Function, text: &str) -> Fault {
    Fault { line: function.line, text: format!("function `{}` has {text}", function.name) }
}

fn complexity_fault(function: &Function, kind: FileKind) -> Option<String> {
    let is_held = kind.limits_complexity() && !function.in_tests;
    let text = format!("complexity {} (at most {COMPLEXITY_MAX})", function.complexity);
    (is_held && function.complexity > COMPLEXITY_MAX).then_some(text)
}

fn length_fault(function: &Function, kind: FileKind) -> Option<String> {
    let is_held = kind.limits_lengths() && !function.in_tests;
    let text = format!("{} lines (at most {FUNCTION_LINES_MAX})", function.lines);
    (is_held && function.lines > FUNCTION_LINES_MAX).then_some(text)
}

fn parameters_fault(function: &Function) -> Option<String> {
    let text = format!("{} parameters (at most {PARAMETERS_MAX})", function.parameters);
    (function.parameters > PARAMETERS_MAX).then_some(text)
}

fn is_unit_test_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name == "tests.rs" || name.ends_with("_test.rs")
}

//! The limits, on small files.

use std::path::Path;

use super::rules::{FileKind, faults};

/// Nested ifs to any complexity.
fn function_of_complexity(name: &str, complexity: usize) -> String {
    let ifs = complexity - 1;
    format!("fn {name}() {{ {}{} }}", "if a { ".repeat(ifs), "}".repeat(ifs))
}

fn function_of_lines(lines: usize) -> String {
    format!("fn long() {{\n{}}}\n", "f();\n".repeat(lines - 2))
}

fn messages(text: &str, kind: FileKind) -> Vec<String> {
    faults(text, kind).into_iter().map(|fault| format!("{}: {}", fault.line, fault.text)).collect()
}

fn product(text: &str) -> Vec<String> {
    messages(text, FileKind::Product)
}

#[test]
fn complexity_four_passes_and_five_does_not() {
    assert!(product(&function_of_complexity("calm", 4)).is_empty());
    let text = format!("\n{}", function_of_complexity("wild", 5));
    assert_eq!(product(&text), ["2: function `wild` has complexity 5 (at most 4)"]);
}

#[test]
fn methods_trait_defaults_nested_functions_and_statics_are_measured() {
    let wild = function_of_complexity("wild", 5);
    assert_eq!(product(&format!("impl A {{ {wild} }}")).len(), 1);
    assert_eq!(product(&format!("trait A {{ {wild} }}")).len(), 1);
    assert_eq!(product(&format!("fn outer() {{ {wild} }}")).len(), 1);
    assert_eq!(product(&format!("fn outer() {{ impl A {{ {wild} }} }}")).len(), 1);
    assert_eq!(product(&format!("mod a {{ {wild} }}")).len(), 1);
    assert_eq!(product("static A: B = f(|x| a && b && c && d && e);").len(), 1);
}

#[test]
fn else_if_is_a_fault_everywhere() {
    let text = "fn f() {\nif a {\n} else if b {\n}\n}";
    for kind in [FileKind::Product, FileKind::UnitTests, FileKind::TestSuite] {
        assert_eq!(messages(text, kind), ["3: `else if`: choose by type, by table or by `match`"]);
    }
    assert_eq!(product("#[cfg(test)]\nmod t { fn f() { if a {} else if b {} } }").len(), 1);
    assert!(product("fn f() { if a {} else { g() } }").is_empty());
}

#[test]
fn a_function_of_51_lines_is_too_long_outside_tests() {
    assert!(product(&function_of_lines(50)).is_empty());
    let long = function_of_lines(51);
    assert_eq!(product(&long), ["1: function `long` has 51 lines (at most 50)"]);
    assert!(messages(&long, FileKind::TestSuite).is_empty());
    assert!(messages(&long, FileKind::UnitTests).is_empty());
    assert!(product(&format!("#[cfg(test)] mod t {{\n{long}}}")).is_empty());
}

#[test]
fn a_file_of_401_lines_is_too_long_outside_tests() {
    assert!(product(&"//\n".repeat(400)).is_empty());
    assert_eq!(product(&"//\n".repeat(401)), ["1: file has 401 lines (at most 400)"]);
    assert!(messages(&"//\n".repeat(401), FileKind::TestSuite).is_empty());
    assert!(messages(&"//\n".repeat(401), FileKind::UnitTests).is_empty());
}

#[test]
fn lines_of_test_modules_do_not_count_for_the_file() {
    let code = "//\n".repeat(399);
    let tests = format!("#[cfg(test)]\nmod t {{\n{}}}\n", "\n".repeat(300));
    assert!(product(&format!("{code}{tests}")).is_empty());
    assert_eq!(product(&format!("{code}{}", tests.replace("test)", "debug_assertions)"))).len(), 1);
}

#[test]
fn five_parameters_are_too_many_and_self_is_not_one() {
    assert!(product("impl A { fn f(&self, a: u8, b: u8, c: u8, d: u8) {} }").is_empty());
    let text = "fn f(a: u8, b: u8, c: u8, d: u8, e: u8) {}";
    assert_eq!(product(text), ["1: function `f` has 5 parameters (at most 4)"]);
}

#[test]
fn complexity_is_free_only_in_unit_tests() {
    let wild = function_of_complexity("wild", 5);
    assert!(product(&format!("#[cfg(test)] mod t {{ {wild} }}")).is_empty());
    assert!(product(&format!("#[cfg(all(test, unix))] mod t {{ {wild} }}")).is_empty());
    assert!(messages(&wild, FileKind::UnitTests).is_empty());
    assert_eq!(messages(&wild, FileKind::TestSuite).len(), 1);
    assert_eq!(product(&format!("#[cfg(not(test))] mod t {{ {wild} }}")).len(), 1);
    assert_eq!(product(&format!("#[cfg(any(test, feature = \"x\"))] mod t {{ {wild} }}")).len(), 1);
}

#[test]
fn a_file_that_is_no_rust_is_one_fault() {
    let found = product("fn f( {");
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("cannot be parsed"), "{found:?}");
}

#[test]
fn the_kind_of_a_file_is_known_by_its_path() {
    let kinds = [
        ("crates/wal/src/log.rs", FileKind::Product),
        ("crates/wal/src/log_test.rs", FileKind::UnitTests),
        ("crates/wal/src/tests.rs", FileKind::UnitTests),
        ("crates/wal/tests/replay.rs", FileKind::TestSuite),
        ("tests/src/cluster.rs", FileKind::TestSuite),
    ];
    for (path, kind) in kinds {
        assert_eq!(FileKind::of(Path::new(path)), kind, "{path}");
    }
}

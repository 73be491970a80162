//! The counting rule, on small bodies.

use syn::visit::Visit;

use super::branches::complexity_of;

fn complexity(body: &str) -> usize {
    let block: syn::Block = syn::parse_str(&format!("{{ {body} }}")).unwrap();
    complexity_of(|branches| branches.visit_block(&block))
}

#[test]
fn a_body_without_branches_has_complexity_one() {
    assert_eq!(complexity(""), 1);
    assert_eq!(complexity("let a = f()?; a.b(1)"), 1);
}

#[test]
fn each_if_while_and_for_adds_one() {
    assert_eq!(complexity("if a { f() }"), 2);
    assert_eq!(complexity("if let Some(a) = b { f() } else { g() }"), 2);
    assert_eq!(complexity("while a { f() }"), 2);
    assert_eq!(complexity("while let Some(a) = b.pop() { f() }"), 2);
    assert_eq!(complexity("for a in b { f() }"), 2);
    assert_eq!(complexity("for a in b { while c { if d { f() } } }"), 4);
}

#[test]
fn each_logical_operator_adds_one() {
    assert_eq!(complexity("a && b || c"), 3);
    assert_eq!(complexity("if a && b { f() }"), 3);
    assert_eq!(complexity("if let Some(a) = b && a > 1 && let Some(c) = a { f() }"), 4);
    assert_eq!(complexity("a & b | c"), 1);
}

#[test]
fn let_else_loop_and_question_mark_add_nothing() {
    assert_eq!(complexity("let Some(a) = b else { return };"), 1);
    assert_eq!(complexity("loop { f()? }"), 1);
    assert_eq!(complexity("let Some(a) = b else { if c { f() } return };"), 2);
}

#[test]
fn a_match_that_only_dispatches_adds_one() {
    assert_eq!(complexity("match a { A => f(), B | C => { g() } D(x) => x?, _ => {} }"), 2);
    assert_eq!(complexity("match a { A => { f(); } B => { log!(x); } C => return, D => x = 1 }"), 2);
    assert_eq!(complexity("match a { A => f(|x| x + 1), B => Some(Point { x: 1 }), C => 3 }"), 2);
}

#[test]
fn a_match_with_a_branch_or_statements_in_an_arm_adds_each_arm_beyond_the_first() {
    assert_eq!(complexity("match a { A => if b { f() } else { g() }, B => 1, C => 2 }"), 4);
    assert_eq!(complexity("match a { A => b && c, B => d, C => e }"), 4);
    assert_eq!(complexity("match a { A => { f(); g() } B => 1, C => 2 }"), 3);
    assert_eq!(complexity("match a { A => loop { f() }, B => 1, C => 2 }"), 3);
    assert_eq!(complexity("match a { A => match b { X => 1, Y => 2 }, B => 1, C => 2 }"), 4);
    assert_eq!(complexity("match a { A => f(|x| if x { 1 } else { 2 }), B => 1, C => 2 }"), 4);
}

#[test]
fn a_guard_counts_as_an_if_and_ends_the_dispatch() {
    assert_eq!(complexity("match a { A if b => 1, A => 2, B => 3 }"), 4);
    assert_eq!(complexity("match a { A if b && c => 1, _ => 2 }"), 4);
}

#[test]
fn a_match_with_one_arm_adds_nothing() {
    assert_eq!(complexity("match a { A => f() }"), 1);
}

#[test]
fn closures_and_async_blocks_count_in_their_function() {
    assert_eq!(complexity("let f = |x| if x { 1 } else { 2 };"), 2);
    assert_eq!(complexity("scope.run(async move { while a { f().await } })"), 2);
}

#[test]
fn nested_items_are_functions_of_their_own() {
    assert_eq!(complexity("fn g(a: bool) { if a { f() } } g(true)"), 1);
    assert_eq!(complexity("impl A { fn g(a: bool) { if a { f() } } }"), 1);
}

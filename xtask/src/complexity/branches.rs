//! Counts the ways through one body of code.

use syn::visit::{self, Visit};
use syn::{Arm, BinOp, Block, Expr, Item, Pat, Stmt};

/// The cyclomatic complexity of a body that `walk` hands to the visitor: 1 plus what its branches add.
/// Closures and async blocks count in their function; nested items are functions of their own.
pub(super) fn complexity_of(walk: impl FnOnce(&mut Branches)) -> usize {
    let mut branches = Branches::default();
    walk(&mut branches);
    1 + branches.added
}

/// What the branches seen so far add.
#[derive(Default)]
pub(super) struct Branches {
    added: usize,
    /// How many branching expressions were seen, those that add nothing (`loop`) included.
    seen: usize,
}

impl Branches {
    fn add(&mut self, added: usize) {
        self.added += added;
        self.seen += 1;
    }
}

impl<'ast> Visit<'ast> for Branches {
    fn visit_expr_if(&mut self, node: &'ast syn::ExprIf) {
        self.add(1);
        visit::visit_expr_if(self, node);
    }

    fn visit_expr_while(&mut self, node: &'ast syn::ExprWhile) {
        self.add(1);
        visit::visit_expr_while(self, node);
    }

    fn visit_expr_for_loop(&mut self, node: &'ast syn::ExprForLoop) {
        self.add(1);
        visit::visit_expr_for_loop(self, node);
    }

    fn visit_expr_loop(&mut self, node: &'ast syn::ExprLoop) {
        self.add(0);
        visit::visit_expr_loop(self, node);
    }

    fn visit_expr_binary(&mut self, node: &'ast syn::ExprBinary) {
        if matches!(node.op, BinOp::And(_) | BinOp::Or(_)) {
            self.add(1);
        }
        visit::visit_expr_binary(self, node);
    }

    fn visit_pat_guard(&mut self, node: &'ast syn::PatGuard) {
        self.add(1);
        visit::visit_pat_guard(self, node);
    }

    fn visit_expr_match(&mut self, node: &'ast syn::ExprMatch) {
        self.add(weight_of(&node.arms));
        visit::visit_expr_match(self, node);
    }

    fn visit_item(&mut self, _: &'ast Item) {}
}

/// What a match adds: each arm beyond the first, or 1 when it only dispatches.
fn weight_of(arms: &[Arm]) -> usize {
    let beyond_first = arms.len().saturating_sub(1);
    if arms.iter().all(is_plain) { beyond_first.min(1) } else { beyond_first }
}

/// An arm of a dispatch: no guard, one expression, nothing in it that branches.
fn is_plain(arm: &Arm) -> bool {
    let guarded = matches!(arm.pat, Pat::Guard(_));
    !guarded && is_one_expression(&arm.body) && !has_branches(&arm.body)
}

fn is_one_expression(body: &Expr) -> bool {
    match body {
        Expr::Block(block) => is_one_statement(&block.block),
        _ => true,
    }
}

fn is_one_statement(block: &Block) -> bool {
    match block.stmts.as_slice() {
        [] | [Stmt::Macro(_)] => true,
        [Stmt::Expr(only, _)] => is_one_expression(only),
        _ => false,
    }
}

fn has_branches(body: &Expr) -> bool {
    let mut branches = Branches::default();
    branches.visit_expr(body);
    branches.seen > 0
}

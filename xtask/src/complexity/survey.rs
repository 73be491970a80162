//! Finds the functions of one file, with their measures.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Expr, FnArg, Ident, Signature};

use super::branches;

/// What one file holds.
#[derive(Default)]
pub(super) struct Survey {
    /// Every function with a body, and every constant or static that is computed by code.
    pub(super) functions: Vec<Function>,
    /// The lines of each `else if`.
    pub(super) else_ifs: Vec<usize>,
    /// How many lines belong to `#[cfg(test)]` modules.
    pub(super) test_lines: usize,
    test_depth: usize,
}

/// The measures of one function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    /// Where its `fn` stands.
    pub(super) line: usize,
    /// From `fn` to the closing brace, both included.
    pub(super) lines: usize,
    pub(super) complexity: usize,
    /// Without `self`.
    pub(super) parameters: usize,
    /// Inside a `#[cfg(test)]` module.
    pub(super) in_tests: bool,
}

impl Survey {
    /// Walks the whole file.
    pub(super) fn of(file: &syn::File) -> Self {
        let mut survey = Survey::default();
        survey.visit_file(file);
        survey
    }

    fn add_function(&mut self, signature: &Signature, body: &Block) {
        let line = line_of(signature.fn_token.span);
        self.functions.push(Function {
            name: signature.ident.to_string(),
            line,
            lines: end_line_of(body) + 1 - line,
            complexity: branches::complexity_of(|branches| branches.visit_block(body)),
            parameters: signature.inputs.iter().filter(|input| is_counted(input)).count(),
            in_tests: self.test_depth > 0,
        });
    }

    fn add_value(&mut self, name: &Ident, value: &Expr) {
        let line = line_of(name.span());
        self.functions.push(Function {
            name: name.to_string(),
            line,
            lines: 0,
            complexity: branches::complexity_of(|branches| branches.visit_expr(value)),
            parameters: 0,
            in_tests: self.test_depth > 0,
        });
    }

    fn visit_test_module(&mut self, node: &syn::ItemMod) {
        if self.test_depth == 0 {
            self.test_lines += end_line_of(node) + 1 - line_of(node.span());
        }
        self.test_depth += 1;
        visit::visit_item_mod(self, node);
        self.test_depth -= 1;
    }
}

impl<'ast> Visit<'ast> for Survey {
    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        self.add_function(&node.sig, &node.block);
        visit::visit_item_fn(self, node);
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        self.add_function(&node.sig, &node.block);
        visit::visit_impl_item_fn(self, node);
    }

    fn visit_trait_item_fn(&mut self, node: &'ast syn::TraitItemFn) {
        if let Some(body) = &node.default {
            self.add_function(&node.sig, body);
        }
        visit::visit_trait_item_fn(self, node);
    }

    fn visit_item_static(&mut self, node: &'ast syn::ItemStatic) {
        self.add_value(&node.ident, &node.expr);
        visit::visit_item_static(self, node);
    }

    fn visit_item_const(&mut self, node: &'ast syn::ItemConst) {
        self.add_value(&node.ident, &node.expr);
        visit::visit_item_const(self, node);
    }

    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        if node.attrs.iter().any(is_test_only) {
            self.visit_test_module(node);
        } else {
            visit::visit_item_mod(self, node);
        }
    }

    fn visit_expr_if(&mut self, node: &'ast syn::ExprIf) {
        if let Some((otherwise, branch)) = &node.else_branch
            && matches!(**branch, Expr::If(_))
        {
            self.else_ifs.push(line_of(otherwise.span));
        }
        visit::visit_expr_if(self, node);
    }
}

fn line_of(span: proc_macro2::Span) -> usize {
    span.start().line
}

fn end_line_of(node: &impl Spanned) -> usize {
    node.span().end().line
}

fn is_counted(input: &FnArg) -> bool {
    matches!(input, FnArg::Typed(_))
}

/// `#[cfg(test)]` and `#[cfg(all(test, …))]`; `any` and `not` also hold outside tests.
fn is_test_only(attribute: &Attribute) -> bool {
    let Ok(list) = attribute.meta.require_list() else { return false };
    let condition = list.tokens.to_string();
    list.path.is_ident("cfg") && (condition == "test" || condition.starts_with("all (test"))
}

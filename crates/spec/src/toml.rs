//! TOML text to tree.

use toml_edit::{Array, Document, InlineTable, Item, Table, Value as Toml};

use crate::Fault;
use crate::tree::{Mark, Node, Value};

pub(crate) fn load(text: &str) -> Result<Node, Fault> {
    let document = Document::parse(text).map_err(|error| fault(text, &error))?;
    Ok(Node { value: table(text, document.as_table()), mark: Some(Mark { line: 1, column: 1 }) })
}

fn fault(text: &str, error: &toml_edit::TomlError) -> Fault {
    let mark = error.span().map(|span| Mark::at_byte(text, span.start));
    let message = format!("not valid TOML: {}", error.message());
    Fault { path: String::new(), message, line: mark.map(|m| m.line), column: mark.map(|m| m.column) }
}

fn table(text: &str, table: &Table) -> Value {
    let rows = table.iter().map(|(name, child)| {
        let mark = table.key(name).and_then(toml_edit::Key::span).map(|span| Mark::at_byte(text, span.start));
        let mark = mark.or_else(|| place(text, child.span()));
        (name.to_owned(), mark, item(text, child))
    });
    Value::Map(rows.collect())
}

fn inline_table(text: &str, table: &InlineTable) -> Value {
    let rows = table.iter().map(|(name, child)| {
        let mark = table.key(name).and_then(toml_edit::Key::span).map(|span| Mark::at_byte(text, span.start));
        (name.to_owned(), mark, value(text, child))
    });
    Value::Map(rows.collect())
}

fn place(text: &str, span: Option<std::ops::Range<usize>>) -> Option<Mark> {
    span.map(|span| Mark::at_byte(text, span.start))
}

fn item(text: &str, item: &Item) -> Node {
    match item {
        Item::None => Node { value: Value::Null, mark: None },
        Item::Value(inner) => value(text, inner),
        Item::Table(inner) => Node { value: table(text, inner), mark: place(text, inner.span()) },
        Item::ArrayOfTables(inner) => Node { value: tables(text, inner), mark: place(text, inner.span()) },
    }
}

fn tables(text: &str, tables: &toml_edit::ArrayOfTables) -> Value {
    let nodes =
        tables.iter().map(|inner| Node { value: table(text, inner), mark: place(text, inner.span()) });
    Value::List(nodes.collect())
}

fn array(text: &str, array: &Array) -> Value {
    Value::List(array.iter().map(|inner| value(text, inner)).collect())
}

fn value(text: &str, value: &Toml) -> Node {
    let inner = match value {
        Toml::String(inner) => Value::Text(inner.value().clone()),
        Toml::Integer(inner) => Value::Int(*inner.value()),
        Toml::Float(inner) => Value::Float(*inner.value()),
        Toml::Boolean(inner) => Value::Bool(*inner.value()),
        Toml::Datetime(inner) => Value::Text(inner.value().to_string()),
        Toml::Array(inner) => array(text, inner),
        Toml::InlineTable(inner) => inline_table(text, inner),
    };
    Node { value: inner, mark: place(text, value.span()) }
}

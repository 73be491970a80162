//! JSON text to tree. serde_json decides what is JSON; the places come from the YAML reader, of which JSON is a part.

use serde_json::Value as Json;

use crate::tree::{Mark, Node, Value};
use crate::{Fault, yaml};

pub(crate) fn load(text: &str) -> Result<Node, Fault> {
    let json: Json = serde_json::from_str(text).map_err(|error| fault(&error))?;
    let plain = node(json);
    Ok(yaml::load(text).ok().filter(|marked| same(marked, &plain)).unwrap_or(plain))
}

/// Marks are taken over only where both readers saw the same values.
fn same(marked: &Node, plain: &Node) -> bool {
    marked.value.to_json() == plain.value.to_json()
}

fn fault(error: &serde_json::Error) -> Fault {
    let mark = Mark { line: error.line() as u32, column: error.column() as u32 };
    let message = format!("not valid JSON: {error}");
    Fault { path: String::new(), message, line: Some(mark.line), column: Some(mark.column) }
}

fn node(json: Json) -> Node {
    let value = match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => self::number(&number),
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::List(items.into_iter().map(node).collect()),
        Json::Object(rows) => {
            Value::Map(rows.into_iter().map(|(key, child)| (key, None, node(child))).collect())
        }
    };
    Node { value, mark: None }
}

fn number(number: &serde_json::Number) -> Value {
    match number.as_i64() {
        Some(whole) => Value::Int(whole),
        None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
    }
}

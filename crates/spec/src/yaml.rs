//! YAML text to tree. Aliases are refused: a few lines of them can stand for gigabytes.

use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};
use saphyr_parser::{Event, Marker, Parser};

use crate::Fault;
use crate::tree::{Mark, Node, Value};

pub(crate) fn load(text: &str) -> Result<Node, Fault> {
    refuse_aliases(text)?;
    let documents =
        MarkedYaml::load_from_str(text).map_err(|error| fault(format!("not valid YAML: {error}"), None))?;
    match documents.as_slice() {
        [one] => Ok(node(one)),
        [] => Err(fault("the document is empty".into(), None)),
        _ => Err(fault("more than one YAML document: one job a file".into(), None)),
    }
}

fn refuse_aliases(text: &str) -> Result<(), Fault> {
    for event in Parser::new_from_str(text) {
        let (event, span) = event
            .map_err(|error| fault(format!("not valid YAML: {}", error.info()), mark(error.marker())))?;
        if matches!(event, Event::Alias(_)) {
            return Err(fault(
                "YAML aliases are not supported: write the value out".into(),
                mark(&span.start),
            ));
        }
    }
    Ok(())
}

fn mark(marker: &Marker) -> Option<Mark> {
    Some(Mark { line: marker.line() as u32, column: marker.col() as u32 + 1 })
}

fn fault(message: String, mark: Option<Mark>) -> Fault {
    Fault { path: String::new(), message, line: mark.map(|m| m.line), column: mark.map(|m| m.column) }
}

fn node<'a>(yaml: &MarkedYaml<'a>) -> Node {
    Node { value: value(&yaml.data), mark: mark(&yaml.span.start) }
}

fn value<'a>(data: &YamlData<'a, MarkedYaml<'a>>) -> Value {
    match data {
        YamlData::Value(inner) => scalar(inner),
        YamlData::Representation(text, _, _) => Value::Text(text.to_string()),
        YamlData::Sequence(items) => Value::List(items.iter().map(node).collect()),
        YamlData::Mapping(rows) => Value::Map(rows.iter().map(|(key, child)| row(key, child)).collect()),
        YamlData::Tagged(_, inner) => value(&inner.data),
        YamlData::Alias(_) | YamlData::BadValue => Value::Null,
    }
}

fn row<'a>(key: &MarkedYaml<'a>, child: &MarkedYaml<'a>) -> (String, Option<Mark>, Node) {
    let name = match value(&key.data) {
        Value::Text(text) => text,
        other => other.to_json().to_string(),
    };
    (name, mark(&key.span.start), node(child))
}

fn scalar(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(flag) => Value::Bool(*flag),
        Scalar::Integer(number) => Value::Int(*number),
        Scalar::FloatingPoint(number) => Value::Float(**number),
        Scalar::String(text) => Value::Text(text.to_string()),
    }
}

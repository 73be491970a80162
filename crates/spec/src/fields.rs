//! Reads a table field by field and gathers every fault on the way. What was never asked for is an unknown field.

use std::collections::BTreeMap;

use muster_wire::spec::ContextValue;

use crate::tree::{Mark, Node, Value};
use crate::{Fault, parse_duration};

/// All faults of a document, in the order found; sorted by place at the end.
#[derive(Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, path: &str, mark: Option<Mark>, message: impl Into<String>) {
        let (line, column) = (mark.map(|m| m.line), mark.map(|m| m.column));
        self.0.push(Fault { path: path.to_owned(), message: message.into(), line, column });
    }

    pub(crate) fn finish(mut self) -> Vec<Fault> {
        self.0.sort_by_key(|fault| (fault.line, fault.column));
        self.0
    }
}

/// A value and where it stands.
pub(crate) struct Place {
    pub(crate) path: String,
    pub(crate) mark: Option<Mark>,
    pub(crate) value: Value,
}

/// A table being read.
pub(crate) struct Fields {
    path: String,
    mark: Option<Mark>,
    rows: BTreeMap<String, (Option<Mark>, Node)>,
    asked: Vec<&'static str>,
}

impl Fields {
    /// The table at `path`; a fault (and no fields) when it is not one.
    pub(crate) fn open(path: &str, node: Node, faults: &mut Faults) -> Self {
        let mark = node.mark;
        let rows = match node.value {
            Value::Map(rows) => rows,
            other => {
                faults.add(path, mark, format!("must be a table, not {}", other.kind()));
                Vec::new()
            }
        };
        let mut fields = Self { path: path.to_owned(), mark, rows: BTreeMap::new(), asked: Vec::new() };
        for (key, mark, child) in rows {
            let path = fields.child_path(&key);
            if fields.rows.insert(key, (mark, child)).is_some() {
                faults.add(&path, mark, "given twice");
            }
        }
        fields
    }

    fn child_path(&self, key: &str) -> String {
        match self.path.is_empty() {
            true => key.to_owned(),
            false => format!("{}.{key}", self.path),
        }
    }

    /// The value of a field, once.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Place> {
        self.asked.push(key);
        let path = self.child_path(key);
        let (key_mark, node) = self.rows.remove(key)?;
        Some(Place { path, mark: node.mark.or(key_mark), value: node.value })
    }

    /// A field that must be there.
    pub(crate) fn require(&mut self, key: &'static str, faults: &mut Faults) -> Option<Place> {
        let place = self.take(key);
        if place.is_none() {
            faults.add(&self.child_path(key), self.mark, "is missing");
        }
        place
    }

    /// Whatever nobody asked for is unknown.
    pub(crate) fn close(self, faults: &mut Faults) {
        for (key, (mark, node)) in &self.rows {
            let message = match nearest(key, &self.asked) {
                Some(known) => format!("unknown field; did you mean `{known}`?"),
                None => format!("unknown field; known here: {}", self.asked.join(", ")),
            };
            faults.add(&self.child_path(key), mark.or(node.mark), message);
        }
    }
}

/// The known name that shares most with a misspelt one: same letters sorted, or one within two edits by length and prefix.
fn nearest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    known.iter().copied().find(|name| distance(key, name) <= 2)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let best = (row[j] + 1).min(row[j + 1] + 1).min(diagonal + usize::from(from != *to));
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}

impl Place {
    fn wrong(&self, wanted: &str, faults: &mut Faults) {
        faults.add(&self.path, self.mark, format!("must be {wanted}, not {}", self.value.kind()));
    }

    /// Complains at this place.
    pub(crate) fn fault(&self, message: impl Into<String>, faults: &mut Faults) {
        faults.add(&self.path, self.mark, message);
    }

    /// A string.
    pub(crate) fn text(self, faults: &mut Faults) -> Option<String> {
        let Value::Text(text) = self.value else {
            self.wrong("a string", faults);
            return None;
        };
        Some(text)
    }

    /// A boolean.
    pub(crate) fn flag(self, faults: &mut Faults) -> Option<bool> {
        let Value::Bool(flag) = self.value else {
            self.wrong("true or false", faults);
            return None;
        };
        Some(flag)
    }

    /// An integer within a range.
    pub(crate) fn int(self, range: std::ops::RangeInclusive<u32>, faults: &mut Faults) -> Option<u32> {
        let Value::Int(number) = self.value else {
            self.wrong("an integer", faults);
            return None;
        };
        let fits = u32::try_from(number).ok().filter(|number| range.contains(number));
        if fits.is_none() {
            self.fault(format!("must be {} to {}, is {number}", range.start(), range.end()), faults);
        }
        fits
    }

    /// A duration within bounds, in milliseconds.
    pub(crate) fn duration(self, range: std::ops::RangeInclusive<u64>, faults: &mut Faults) -> Option<u64> {
        let Value::Text(text) = &self.value else {
            self.wrong("a duration such as \"90s\"", faults);
            return None;
        };
        let parsed = parse_duration(text).and_then(|ms| within(ms, &range));
        parsed.map_err(|message| self.fault(message, faults)).ok()
    }

    /// A list of places.
    pub(crate) fn list(self, faults: &mut Faults) -> Vec<Place> {
        let Value::List(items) = self.value else {
            self.wrong("a list", faults);
            return Vec::new();
        };
        let path = self.path;
        let place = |(at, node): (usize, Node)| Place {
            path: format!("{path}[{at}]"),
            mark: node.mark,
            value: node.value,
        };
        items.into_iter().enumerate().map(place).collect()
    }

    /// A list of strings.
    pub(crate) fn texts(self, faults: &mut Faults) -> Vec<String> {
        self.list(faults).into_iter().filter_map(|item| item.text(faults)).collect()
    }

    /// A table's rows as places.
    pub(crate) fn rows(self, faults: &mut Faults) -> Vec<(String, Place)> {
        let Value::Map(rows) = self.value else {
            self.wrong("a table", faults);
            return Vec::new();
        };
        let path = self.path;
        let place = |(key, mark, node): (String, Option<Mark>, Node)| {
            let place = Place { path: format!("{path}.{key}"), mark: node.mark.or(mark), value: node.value };
            (key, place)
        };
        rows.into_iter().map(place).collect()
    }

    /// A table of strings; numbers and booleans are taken as their text.
    pub(crate) fn text_map(self, faults: &mut Faults) -> BTreeMap<String, String> {
        let rows = self.rows(faults);
        rows.into_iter().filter_map(|(key, place)| place.plain(faults).map(|text| (key, text))).collect()
    }

    fn plain(self, faults: &mut Faults) -> Option<String> {
        match self.value {
            Value::Text(text) => Some(text),
            Value::Int(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null | Value::Float(_) | Value::List(_) | Value::Map(_) => self.text(faults),
        }
    }

    /// A table of any values.
    pub(crate) fn value_map(self, faults: &mut Faults) -> BTreeMap<String, ContextValue> {
        let rows = self.rows(faults);
        rows.into_iter().map(|(key, place)| (key, ContextValue::value(&place.value.to_json()))).collect()
    }

    /// One of some words.
    pub(crate) fn word<T: Copy>(self, words: &[(&str, T)], faults: &mut Faults) -> Option<T> {
        let Value::Text(text) = &self.value else {
            self.wrong("a string", faults);
            return None;
        };
        let found = words.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.fault(format!("must be {}, is \"{text}\"", known.join(" or ")), faults);
        }
        found
    }
}

fn within(ms: u64, range: &std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let (low, high) = (crate::format_duration(*range.start()), crate::format_duration(*range.end()));
    match range.contains(&ms) {
        true => Ok(ms),
        false => Err(format!("must be {low} to {high}, is {}", crate::format_duration(ms))),
    }
}

//! Job files as commands read them.

use std::io::Read as _;
use std::path::Path;

use muster_client::Submission;
use muster_spec::Format;
use muster_wire::spec::SUBMISSION_BYTES_MAX;
use serde_json::Value;

use crate::exit;
use crate::failure::Failure;

/// A job file's text.
pub(crate) struct JobFile {
    /// Its name, or `stdin`.
    pub(crate) name: String,
    /// The text.
    pub(crate) text: String,
    /// By the ending.
    pub(crate) format: Format,
}

impl JobFile {
    /// Reads a file, or stdin for `-`.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let stdin = path == Path::new("-");
        let name = if stdin { "stdin".to_owned() } else { path.display().to_string() };
        let text = if stdin { read_stdin() } else { std::fs::read_to_string(path) };
        let text = text.map_err(|error| unreadable(&name, &error))?;
        if text.len() > SUBMISSION_BYTES_MAX {
            let detail =
                format!("{name} has {} bytes, at most {SUBMISSION_BYTES_MAX} are accepted", text.len());
            return Err(Failure::new(exit::USAGE, "too_large", detail));
        }
        let format = Format::of_file(&name);
        Ok(Self { name, text, format })
    }

    /// All faults, found here without asking a gate.
    pub(crate) fn validate(&self) -> Result<muster_wire::spec::JobSpec, Failure> {
        muster_spec::parse(&self.text, self.format).map_err(|faults| Failure::invalid(&self.name, &faults))
    }

    /// The file with fields changed; becomes JSON.
    pub(crate) fn with_changes(mut self, changes: &[(String, Value)]) -> Result<Self, Failure> {
        if changes.is_empty() {
            return Ok(self);
        }
        let mut document = muster_spec::to_json(&self.text, self.format)
            .map_err(|fault| Failure::invalid(&self.name, &[fault]))?;
        for (path, value) in changes {
            set(&mut document, path, value.clone())?;
        }
        self.text = document.to_string();
        self.format = Format::Json;
        Ok(self)
    }

    /// Ready to send.
    pub(crate) fn into_submission(self, key: Option<String>) -> Submission {
        Submission { body: self.text.into_bytes(), content_type: self.format.content_type(), key }
    }
}

fn read_stdin() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin().take(SUBMISSION_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

fn unreadable(name: &str, error: &std::io::Error) -> Failure {
    Failure::new(exit::USAGE, "unreadable_file", format!("cannot read {name}: {error}"))
}

/// `K=V` with `V` read as JSON, or as a string where it is none.
pub(crate) fn parse_change(text: &str) -> Result<(String, Value), Failure> {
    let Some((path, value)) = text.split_once('=') else {
        return Err(Failure::usage(format!("`--set {text}`: write K=V, such as priority=70")));
    };
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((path.to_owned(), value))
}

/// Sets a dotted path in a document; missing tables on the way are made.
fn set(document: &mut Value, path: &str, value: Value) -> Result<(), Failure> {
    let mut place = document;
    for part in path.split('.') {
        let step = match part.parse::<usize>() {
            Ok(at) if place.is_array() => place.get_mut(at),
            _ => place
                .as_object_mut()
                .map(|table| table.entry(part).or_insert_with(|| Value::Object(serde_json::Map::new()))),
        };
        place = step.ok_or_else(|| Failure::usage(format!("`--set {path}`: there is no such field")))?;
    }
    *place = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_reach_nested_fields_and_list_items() {
        let mut document = serde_json::json!({"name": "x", "workflows": [{"replicas": 1}]});
        for text in ["priority=70", "context.region=us", "workflows.0.replicas=4"] {
            let (path, value) = parse_change(text).unwrap();
            set(&mut document, &path, value).unwrap();
        }
        let wanted = serde_json::json!({"name": "x", "priority": 70, "context": {"region": "us"}, "workflows": [{"replicas": 4}]});
        assert_eq!(document, wanted);
        assert!(set(&mut document, "workflows.7.replicas", Value::Null).is_err());
    }
}

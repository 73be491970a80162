//! Job files: TOML, YAML or JSON text in, a validated [`JobSpec`] out, or *all* faults at once, each with its path and,
//! where the format knows it, line and column.
//!
//! ```text
//!   text ─ toml | yaml | json ─▶ tree (values with marks) ─ job, workflow ─▶ JobSpec, or every Fault
//! ```

mod duration;
mod fields;
mod job;
mod json;
pub mod placeholder;
mod relations;
mod toml;
mod tree;
mod workflow;
mod yaml;

use std::fmt;

pub use duration::{format_duration, parse_duration};
use muster_wire::spec::JobSpec;

/// The text's format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// `application/toml`, `.toml`
    Toml,
    /// `application/yaml`, `.yaml`, `.yml`
    Yaml,
    /// `application/json`, `.json`
    Json,
}

impl Format {
    /// By file name; TOML when the ending says nothing.
    pub fn of_file(name: &str) -> Self {
        match name.rsplit('.').next() {
            Some("yaml" | "yml") => Self::Yaml,
            Some("json") => Self::Json,
            _ => Self::Toml,
        }
    }

    /// By content type, parameters ignored; `None` when it is none of ours.
    pub fn of_content_type(value: &str) -> Option<Self> {
        match value.split(';').next().unwrap_or("").trim() {
            "application/toml" | "text/toml" | "text/x-toml" => Some(Self::Toml),
            "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" => Some(Self::Yaml),
            "application/json" | "text/json" => Some(Self::Json),
            _ => None,
        }
    }

    /// The content type to send it with.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Toml => "application/toml",
            Self::Yaml => "application/yaml",
            Self::Json => "application/json",
        }
    }
}

/// One thing that is wrong with a job file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Where in the document: `workflows[1].depends_on[0]`; empty for the document itself.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// From 1.
    pub line: Option<u32>,
    /// From 1, in characters.
    pub column: Option<u32>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "{line}:{column}: ")?;
        }
        match self.path.is_empty() {
            true => f.write_str(&self.message),
            false => write!(f, "{}: {}", self.path, self.message),
        }
    }
}

/// Reads a job. The faults come in document order.
pub fn parse(text: &str, format: Format) -> Result<JobSpec, Vec<Fault>> {
    let root = load(text, format).map_err(|fault| vec![fault])?;
    job::read(root)
}

/// The document as JSON, unchecked: for tools that change a field before they submit it.
pub fn to_json(text: &str, format: Format) -> Result<serde_json::Value, Fault> {
    load(text, format).map(|root| root.value.to_json())
}

fn load(text: &str, format: Format) -> Result<tree::Node, Fault> {
    match format {
        Format::Toml => toml::load(text),
        Format::Yaml => yaml::load(text),
        Format::Json => json::load(text),
    }
}

#[cfg(test)]
mod parse_test;

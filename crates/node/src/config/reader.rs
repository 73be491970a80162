//! The layers of a configuration - file, environment, flags - in one table, and its faults, all of them.

use std::fmt;

use toml::{Table, Value};

use super::keys::{self, KEYS, Key, KeyKind, VARIABLE_PREFIX};
use super::value::Setting;

/// One fault of a configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// `section.key`, or the file.
    pub path: String,
    /// What is wrong, with what to do.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Every fault of a configuration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fault(s) in the configuration", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// The effective table with the faults found so far.
#[derive(Default)]
pub(super) struct Reader {
    table: Table,
    faults: Vec<Fault>,
}

impl Reader {
    pub(super) fn fault(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.faults.push(Fault { path: path.into(), message: message.into() });
    }

    /// Adds a fault unless `holds`.
    pub(super) fn require(&mut self, holds: impl Into<Option<bool>>, path: &str, message: impl Into<String>) {
        if holds.into() == Some(false) {
            self.fault(path, message);
        }
    }

    pub(super) fn faults(self) -> Vec<Fault> {
        self.faults
    }

    /// Takes a file's text over.
    pub(super) fn add_file(&mut self, name: &str, text: &str) {
        match text.parse::<Table>() {
            Ok(table) => table.into_iter().for_each(|(section, value)| self.add_section(&section, value)),
            Err(error) => self.fault(name, error.to_string().trim_end().replace('\n', "\n    ")),
        }
    }

    fn add_section(&mut self, section: &str, value: Value) {
        let Value::Table(values) = value else { return self.fault(section, "is not a key of a section") };
        if !keys::is_section(section) {
            return self.fault(section, "unknown section");
        }
        for (name, value) in values {
            self.add(section, &name, value);
        }
    }

    fn add(&mut self, section: &str, name: &str, value: Value) {
        match keys::find(section, name) {
            Some(key) => self.put(key, value),
            None => self.fault(format!("{section}.{name}"), "unknown key"),
        }
    }

    fn put(&mut self, key: &Key, value: Value) {
        let section = self.table.entry(key.section).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(values) = section {
            values.insert(key.name.into(), value);
        }
    }

    /// Takes `MUSTER_SECTION_KEY` variables over. Others that begin like a section are faults.
    pub(super) fn add_environment(&mut self, variables: &[(String, String)]) {
        for (name, text) in variables {
            match KEYS.iter().find(|key| key.variable() == *name) {
                Some(key) => self.add_text(key, text),
                None => self.judge_unknown_variable(name),
            }
        }
    }

    fn judge_unknown_variable(&mut self, name: &str) {
        let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else { return };
        let section = rest.split('_').next().unwrap_or_default().to_lowercase();
        let is_ours = rest.contains('_') && keys::is_section(&section);
        self.require(!is_ours, name, "no key of the configuration has this environment variable");
    }

    /// Takes `section.key=value` over.
    pub(super) fn add_setting(&mut self, path: &str, text: &str) {
        let key = path.split_once('.').and_then(|(section, name)| keys::find(section, name));
        match key {
            Some(key) => self.add_text(key, text),
            None => self.fault(path, "unknown key"),
        }
    }

    pub(super) fn add_text(&mut self, key: &Key, text: &str) {
        let value = match key.kind {
            KeyKind::Text => Ok(Value::String(text.trim_matches('"').into())),
            KeyKind::Value => parse_value(text),
        };
        match value {
            Ok(value) => self.put(key, value),
            Err(why) => self.fault(key.path, why),
        }
    }

    /// The value at `section.name` if it is given; a fault if it is not what it should be.
    pub(super) fn get<T: Setting>(&mut self, section: &str, name: &str) -> Option<T> {
        let value = self.table.get(section)?.get(name)?;
        match T::read(value) {
            Ok(value) => Some(value),
            Err(why) => {
                self.fault(format!("{section}.{name}"), why);
                None
            }
        }
    }

    /// The value at `section.name`, or its default.
    pub(super) fn or<T: Setting>(&mut self, section: &str, name: &str, default: T) -> T {
        self.get(section, name).unwrap_or(default)
    }
}

/// Reads the text of a flag as TOML would read it behind `key = `.
fn parse_value(text: &str) -> Result<Value, String> {
    let table = format!("v = {text}").parse::<Table>();
    let value = table.ok().and_then(|mut table| table.remove("v"));
    value.ok_or_else(|| format!("`{text}` is not a number, true, false, [list] or {{ table = 1 }}"))
}

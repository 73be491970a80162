//! Data to stdout, progress and errors to stderr.

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use crate::args::{ColorKind, Global, OutputKind};
use crate::failure::Failure;

/// How and where to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// One document instead of text.
    pub(crate) json: bool,
    /// Colours allowed.
    pub(crate) color: bool,
    /// Stderr is a terminal: live lines may be drawn.
    pub(crate) live: bool,
}

/// A colour by its ANSI number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Color {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Cyan = 36,
}

fn terminal_wants_color() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

impl Output {
    /// As the flags and the terminal say.
    pub(crate) fn new(global: &Global) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let color = match global.color {
            ColorKind::Always => true,
            ColorKind::Never => false,
            ColorKind::Auto => terminal_wants_color(),
        };
        let json = global.output == OutputKind::Json;
        Self { json, color, live: terminal && !json }
    }

    /// One document: pretty for people's eyes, stable for scripts.
    pub(crate) fn document(self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(|error| Failure::usage(error.to_string()))?;
        self.line(&text)
    }

    /// One line of NDJSON.
    pub(crate) fn item(self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| Failure::usage(error.to_string()))?;
        self.line(&text)
    }

    /// One line of text to stdout; a closed pipe ends the program quietly.
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        Ok(writeln!(out, "{text}").and_then(|()| out.flush())?)
    }

    /// Raw bytes to stdout.
    pub(crate) fn raw(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        Ok(out.write_all(bytes).and_then(|()| out.flush())?)
    }

    /// A word of progress to stderr; not in JSON mode.
    pub(crate) fn note(self, text: &str) {
        if !self.json {
            let _ignored = writeln!(std::io::stderr().lock(), "{text}");
        }
    }

    /// Prints why a command failed, to stderr.
    pub(crate) fn failure(self, failure: &Failure) {
        let json = serde_json::to_string_pretty(&failure.problem).unwrap_or_default();
        let text = if self.json { json } else { failure.sentence() };
        let _ignored = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Coloured where allowed.
    pub(crate) fn paint(self, color: Color, text: &str) -> String {
        match self.color {
            true => format!("\x1b[{}m{text}\x1b[0m", color as u8),
            false => text.to_owned(),
        }
    }
}

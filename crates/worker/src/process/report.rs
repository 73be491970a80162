//! What a process tells about itself with `::muster {json}` lines: progress, numbers, context values, outputs. Bounded;
//! what is refused is said in the shard's log.

use std::collections::BTreeMap;

use muster_wire::job::{Outputs, StatTotal, StatTotals};
use muster_wire::spec::ContextValue;
use serde::Deserialize;
use serde_json::Value;

/// What such a line starts with.
const MARK: &[u8] = b"::muster ";
/// Most names of numbers per attempt.
pub(crate) const STAT_NAMES_MAX: usize = 16;
/// Most bytes of outputs per attempt, names and values.
pub(crate) const OUTPUT_BYTES_MAX: usize = 4 * 1024;
/// Most bytes of context values set by one attempt, names and values.
pub(crate) const CONTEXT_BYTES_MAX: usize = 64 * 1024;
/// The longest name.
const NAME_BYTES_MAX: usize = 128;

/// The object of one line.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Message {
    progress: Option<f64>,
    stats: BTreeMap<String, f64>,
    context: BTreeMap<String, Value>,
    output: BTreeMap<String, Value>,
}

/// Everything that one attempt has told so far.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Report {
    /// 0..1, as last told.
    pub(crate) fraction: f64,
    /// Totals by name.
    pub(crate) stats: StatTotals,
    /// Values to set; `None` deletes.
    pub(crate) context: BTreeMap<String, Option<ContextValue>>,
    /// Values put out.
    pub(crate) outputs: Outputs,
    /// Numbers that were told since this was last emptied.
    pub(crate) fresh: Vec<(String, f64)>,
}

impl Report {
    /// Takes a line of stdout. `None`: an ordinary line for the log. Else what of it was refused, in words.
    pub(crate) fn take(&mut self, line: &[u8]) -> Option<Vec<String>> {
        let json = line.strip_prefix(MARK)?;
        let refused = match serde_json::from_slice::<Message>(json) {
            Ok(message) => self.apply(message),
            Err(error) => vec![format!("not understood: {error}")],
        };
        Some(refused)
    }

    fn apply(&mut self, message: Message) -> Vec<String> {
        let progress = message.progress.and_then(|fraction| self.progress(fraction));
        let mut refused: Vec<String> = progress.into_iter().collect();
        refused.extend(message.stats.into_iter().filter_map(|(name, number)| self.number(name, number)));
        refused.extend(message.context.into_iter().filter_map(|(name, value)| self.context(name, value)));
        refused.extend(message.output.into_iter().filter_map(|(name, value)| self.output(name, value)));
        refused
    }

    fn progress(&mut self, fraction: f64) -> Option<String> {
        if !(0.0..=1.0).contains(&fraction) {
            return Some(format!("progress {fraction} is not between 0 and 1"));
        }
        self.fraction = fraction;
        None
    }

    fn number(&mut self, name: String, number: f64) -> Option<String> {
        let full = self.stats.len() >= STAT_NAMES_MAX && !self.stats.contains_key(&name);
        if full || name.len() > NAME_BYTES_MAX {
            return Some(format!("`{}` is over the {STAT_NAMES_MAX} names of numbers", shorten(&name)));
        }
        self.fresh.push((name.clone(), number));
        let total =
            self.stats.entry(name).or_insert(StatTotal { count: 0, sum: 0.0, min: number, max: number });
        total.count += 1;
        total.sum += number;
        total.min = total.min.min(number);
        total.max = total.max.max(number);
        None
    }

    fn context(&mut self, name: String, value: Value) -> Option<String> {
        let value = (!value.is_null()).then(|| ContextValue::value(&value));
        let length = name.len() + value.as_ref().map_or(0, |value| value.0.len());
        let others = self.context.iter().filter(|(other, _)| **other != name);
        let used: usize = others.map(|(k, v)| k.len() + v.as_ref().map_or(0, |v| v.0.len())).sum();
        if used + length > CONTEXT_BYTES_MAX {
            return Some(format!("context `{}` is over {CONTEXT_BYTES_MAX} bytes", shorten(&name)));
        }
        self.context.insert(name, value);
        None
    }

    fn output(&mut self, name: String, value: Value) -> Option<String> {
        let value = ContextValue::value(&value);
        let others = self.outputs.iter().filter(|(other, _)| **other != name);
        let used: usize = others.map(|(k, v)| k.len() + v.0.len()).sum();
        if used + name.len() + value.0.len() > OUTPUT_BYTES_MAX {
            return Some(format!("output `{}` is over {OUTPUT_BYTES_MAX} bytes", shorten(&name)));
        }
        self.outputs.insert(name, value);
        None
    }
}

fn shorten(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> (Report, Vec<String>) {
        let mut report = Report::default();
        let refused = lines.iter().flat_map(|line| report.take(line.as_bytes()).unwrap()).collect();
        (report, refused)
    }

    #[test]
    fn an_ordinary_line_is_not_a_report() {
        assert_eq!(Report::default().take(b"hello ::muster {}"), None);
    }

    #[test]
    fn every_kind_of_news_is_kept() {
        let (report, refused) = told(&[
            r#"::muster {"progress": 0.25, "stats": {"rows": 10}}"#,
            r#"::muster {"progress": 0.5, "stats": {"rows": 30}, "context": {"a": "x", "b": null}, "output": {"n": 7}}"#,
        ]);
        assert_eq!(refused, Vec::<String>::new());
        assert_eq!(report.fraction, 0.5);
        assert_eq!(report.stats["rows"], StatTotal { count: 2, sum: 40.0, min: 10.0, max: 30.0 });
        assert_eq!(report.context["a"], Some(ContextValue::string("x")));
        assert_eq!(report.context["b"], None);
        assert_eq!(report.outputs["n"].to_plain(), "7");
    }

    #[test]
    fn what_is_malformed_is_refused_in_words() {
        let (report, refused) =
            told(&["::muster {", "::muster 3", r#"::muster {"progress": 2}"#, r#"::muster {"prog": 1}"#]);
        assert_eq!(refused.len(), 4);
        assert_eq!(report, Report::default());
    }

    #[test]
    fn the_bounds_hold() {
        let mut report = Report::default();
        let big = format!(r#"::muster {{"output": {{"a": "{}"}}}}"#, "x".repeat(3000));
        assert_eq!(report.take(big.as_bytes()).unwrap().len(), 0);
        assert_eq!(report.take(big.as_bytes()).unwrap().len(), 0, "the same name is replaced");
        let other = big.replace("\"a\"", "\"b\"");
        assert_eq!(report.take(other.as_bytes()).unwrap().len(), 1);
        for n in 0..20 {
            report.take(format!(r#"::muster {{"stats": {{"n{n}": 1}}}}"#).as_bytes());
        }
        assert_eq!(report.stats.len(), STAT_NAMES_MAX);
    }
}

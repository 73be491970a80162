//! Times for people.

use jiff::Timestamp;

/// `3m ago` of an RFC 3339 text; the text itself where it is none.
pub(crate) fn ago(text: &str, now: Timestamp) -> String {
    let Ok(then) = text.parse::<Timestamp>() else { return text.to_owned() };
    format!("{} ago", span(now.as_second() - then.as_second()))
}

/// The time between two RFC 3339 texts, or up to now.
pub(crate) fn between(from: Option<&str>, to: Option<&str>, now: Timestamp) -> String {
    let read = |text: &str| text.parse::<Timestamp>().ok();
    let Some(from) = from.and_then(read) else { return "-".into() };
    let to = to.and_then(read).unwrap_or(now);
    span(to.as_second() - from.as_second())
}

/// Seconds in their two largest units.
fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_keep_their_two_largest_units() {
        let cases = [(0, "0s"), (59, "59s"), (61, "1m01s"), (3_700, "1h01m"), (90_000, "1d01h"), (-5, "0s")];
        for (seconds, text) in cases {
            assert_eq!(span(seconds), text);
        }
    }
}

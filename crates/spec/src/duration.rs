//! Durations as people write them: `500ms`, `90s`, `10m`, `1h`, `2d`, or several parts: `1m30s`.

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Milliseconds, or what is wrong.
pub fn parse_duration(text: &str) -> Result<u64, String> {
    let mut rest = text.trim();
    let mut total = 0_u64;
    while !rest.is_empty() {
        let (ms, tail) = part(rest).ok_or_else(|| complaint(text))?;
        total = total.checked_add(ms).ok_or_else(|| complaint(text))?;
        rest = tail;
    }
    match text.trim().is_empty() {
        true => Err(complaint(text)),
        false => Ok(total),
    }
}

fn complaint(text: &str) -> String {
    format!("`{text}` is not a duration: write a number and a unit (ms, s, m, h, d), such as \"90s\"")
}

fn part(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let rest = &text[digits..];
    let unit_len = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (_, factor) = UNITS.iter().find(|(unit, _)| *unit == &rest[..unit_len])?;
    Some((number.checked_mul(*factor)?, &rest[unit_len..]))
}

/// The shortest single-unit form: 90000 → `90s`, 3600000 → `1h`.
pub fn format_duration(ms: u64) -> String {
    let fits = UNITS.iter().rev().find(|(_, factor)| ms >= *factor && ms.is_multiple_of(*factor));
    match fits {
        Some((unit, factor)) => format!("{}{unit}", ms / factor),
        None => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, ms) in [("500ms", 500), ("90s", 90_000), ("1m30s", 90_000), ("2d", 172_800_000), ("0s", 0)]
        {
            assert_eq!(parse_duration(text), Ok(ms), "{text}");
        }
        for text in ["", "5", "s", "5 s", "5x", "-1s", "1.5s", "99999999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_formatted_duration_reads_back() {
        for ms in [0, 1, 1_500, 60_000, 90_000, 86_400_000] {
            assert_eq!(parse_duration(&format_duration(ms)), Ok(ms));
        }
    }
}

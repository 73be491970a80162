//! From TOML values to typed ones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use muster_consensus::{InitialMember, Profile};
use toml::Value;

use crate::config::sections::LogFormat;
use crate::http::{AccessRole, AccessToken};

/// A type that a configuration value can be read as. Errors say what was expected.
pub(super) trait Setting: Sized {
    fn read(value: &Value) -> Result<Self, String>;
}

/// A size in bytes, written `64MiB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ByteSize(pub u64);

/// `host:port`, not resolved.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct HostPort(pub String);

/// Reads `300ms`, `90s`, `2m`, `24h`, `7d`, and several of them after each other: `1h30m`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 5] =
        [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let unit_length = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_length);
        let ms = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        total = total.checked_add(Duration::from_millis(number.checked_mul(ms)?))?;
        rest = next;
    }
    (!text.is_empty()).then_some(total)
}

/// Reads `64MiB`, `512KiB`, `1GiB`, `5MB`, `100B` and bare bytes.
pub fn parse_size(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 8] = [
        ("", 1),
        ("B", 1),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
    ];
    let (number, unit) = split_number(text)?;
    let bytes = UNITS.iter().find(|(name, _)| *name == unit.trim())?.1;
    number.checked_mul(bytes)
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

fn wrong(expected: &str, value: &Value) -> String {
    format!("{expected} is expected, not {value}")
}

fn parsed<T>(value: &Value, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, String> {
    value.as_str().and_then(parse).ok_or_else(|| wrong(expected, value))
}

impl Setting for String {
    fn read(value: &Value) -> Result<Self, String> {
        parsed(value, "a text", |text| Some(text.to_owned()))
    }
}

impl Setting for PathBuf {
    fn read(value: &Value) -> Result<Self, String> {
        parsed(value, "a path", |text| Some(Self::from(text)))
    }
}

impl Setting for Duration {
    fn read(value: &Value) -> Result<Self, String> {
        parsed(value, "a duration such as \"300ms\" or \"2m\"", parse_duration)
    }
}

impl Setting for ByteSize {
    fn read(value: &Value) -> Result<Self, String> {
        let text = value.as_integer().map_or_else(|| value.clone(), |bytes| Value::String(bytes.to_string()));
        parsed(&text, "a size such as \"64MiB\"", |text| parse_size(text).map(Self))
    }
}

impl Setting for SocketAddr {
    fn read(value: &Value) -> Result<Self, String> {
        parsed(value, "an address such as \"127.0.0.1:7400\"", |text| text.parse().ok())
    }
}

impl Setting for HostPort {
    fn read(value: &Value) -> Result<Self, String> {
        parsed(value, "a \"host:port\"", |text| is_host_port(text).then(|| Self(text.to_owned())))
    }
}

fn is_host_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
}

impl Setting for bool {
    fn read(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| wrong("true or false", value))
    }
}

impl Setting for u64 {
    fn read(value: &Value) -> Result<Self, String> {
        value
            .as_integer()
            .and_then(|number| number.try_into().ok())
            .ok_or_else(|| wrong("a number from 0 on", value))
    }
}

impl Setting for u32 {
    fn read(value: &Value) -> Result<Self, String> {
        u64::read(value)?.try_into().map_err(|_| wrong("a smaller number", value))
    }
}

impl Setting for usize {
    fn read(value: &Value) -> Result<Self, String> {
        u64::read(value)?.try_into().map_err(|_| wrong("a smaller number", value))
    }
}

impl Setting for (Duration, Duration) {
    fn read(value: &Value) -> Result<Self, String> {
        let both = Vec::<Duration>::read(value)?;
        let [first, second] = both[..] else { return Err(wrong("a list of two durations", value)) };
        Ok((first, second))
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn read(value: &Value) -> Result<Self, String> {
        let items = value.as_array().ok_or_else(|| wrong("a list", value))?;
        items
            .iter()
            .enumerate()
            .map(|(at, item)| T::read(item).map_err(|why| format!("[{at}]: {why}")))
            .collect()
    }
}

impl<T: Setting> Setting for BTreeMap<String, T> {
    fn read(value: &Value) -> Result<Self, String> {
        let items = value.as_table().ok_or_else(|| wrong("a table", value))?;
        items
            .iter()
            .map(|(name, item)| Ok((name.clone(), T::read(item).map_err(|why| format!("{name}: {why}"))?)))
            .collect()
    }
}

impl Setting for Profile {
    fn read(value: &Value) -> Result<Self, String> {
        const NAMES: [(&str, Profile); 3] =
            [("lan", Profile::Lan), ("wan", Profile::Wan), ("test", Profile::Test)];
        parsed(value, "lan, wan or test", |text| named(&NAMES, text))
    }
}

impl Setting for LogFormat {
    fn read(value: &Value) -> Result<Self, String> {
        const NAMES: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        parsed(value, "text or json", |text| named(&NAMES, text))
    }
}

fn named<T: Copy>(names: &[(&str, T)], text: &str) -> Option<T> {
    names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
}

/// The fields of a table, every one of them known and given.
fn fields<'a, const N: usize>(value: &'a Value, names: [&str; N]) -> Result<[&'a Value; N], String> {
    let table = value.as_table().ok_or_else(|| wrong("a table", value))?;
    if let Some(unknown) = table.keys().find(|key| !names.contains(&key.as_str())) {
        return Err(format!("unknown key `{unknown}`, known are {}", names.join(", ")));
    }
    if let Some(missing) = names.iter().find(|name| !table.contains_key(**name)) {
        return Err(format!("`{missing}` is missing"));
    }
    Ok(names.map(|name| table.get(name).unwrap_or(value)))
}

impl Setting for InitialMember {
    fn read(value: &Value) -> Result<Self, String> {
        let [name, rpc, swim] = fields(value, ["name", "rpc", "swim"])?;
        Ok(Self { name: String::read(name)?, rpc: HostPort::read(rpc)?.0, swim: HostPort::read(swim)?.0 })
    }
}

impl Setting for AccessToken {
    fn read(value: &Value) -> Result<Self, String> {
        let [name, role, token] = fields(value, ["name", "role", "token"])?;
        let role = parsed(role, "viewer, submitter or operator", AccessRole::parse)?;
        Ok(Self { name: String::read(name)?, role, token: String::read(token)? })
    }
}

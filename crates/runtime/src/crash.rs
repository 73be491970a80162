//! Crash points: places between two durable steps where a test kills the process. Compiled in with the feature
//! `failpoints` only; a release build holds none of it.

/// Ends the process at once, as `kill -9` would, when the environment variable `MUSTER_CRASH_AT` names this point.
#[cfg(feature = "failpoints")]
pub fn crash_point(name: &str) {
    use std::sync::OnceLock;
    static WANTED: OnceLock<Option<String>> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| std::env::var("MUSTER_CRASH_AT").ok());
    if wanted.as_deref() == Some(name) {
        std::process::abort();
    }
}

/// Does nothing in this build.
#[cfg(not(feature = "failpoints"))]
pub const fn crash_point(_name: &str) {}

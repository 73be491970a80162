//! Safety mechanisms of the log that can be switched off by name, to see that a test notices; with the feature `sabotage`
//! only, which no product may have.

/// Is the mechanism switched off, by the environment variable `MUSTER_SABOTAGE`?
#[cfg(feature = "sabotage")]
pub(crate) fn is_sabotaged(mechanism: &str) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("MUSTER_SABOTAGE").ok()).as_deref() == Some(mechanism)
}

/// No mechanism is ever switched off in this build.
#[cfg(not(feature = "sabotage"))]
pub(crate) const fn is_sabotaged(_mechanism: &str) -> bool {
    false
}

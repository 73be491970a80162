//! Safety mechanisms that can be switched off by name, one at a time, to see that a test notices. Compiled in with the
//! feature `sabotage` only, which no product may have; without it every question is answered `false` at compile time.

/// Is this a build in which mechanisms can be switched off?
pub const CAN_SABOTAGE: bool = cfg!(feature = "sabotage");

/// Is the mechanism switched off, by the environment variable `MUSTER_SABOTAGE`?
#[cfg(feature = "sabotage")]
pub fn is_sabotaged(mechanism: &str) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("MUSTER_SABOTAGE").ok()).as_deref() == Some(mechanism)
}

/// No mechanism is ever switched off in this build.
#[cfg(not(feature = "sabotage"))]
pub const fn is_sabotaged(_mechanism: &str) -> bool {
    false
}

//! Crash points: places between two durable steps where a test ends or stops the process. Compiled in with the feature
//! `failpoints` only; a release build holds none of it.

/// Ends the process at once, as `kill -9` would, when the environment variable `MUSTER_CRASH_AT` names this point, or
/// when the file that `MUSTER_CRASH_FILE` names holds the point's name by now; stops it, once, as `kill -STOP` would, when
/// `MUSTER_STOP_AT` does.
#[cfg(feature = "failpoints")]
pub fn crash_point(name: &str) {
    armed::crash(name);
    armed::stop(name);
}

/// Does nothing in this build.
#[cfg(not(feature = "failpoints"))]
pub const fn crash_point(_name: &str) {}

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering};

    use nix::sys::signal::{Signal, raise};

    static CRASH_AT: OnceLock<Option<String>> = OnceLock::new();
    static CRASH_FILE: OnceLock<Option<String>> = OnceLock::new();
    static STOP_AT: OnceLock<Option<String>> = OnceLock::new();
    static STOPPED: AtomicBool = AtomicBool::new(false);

    fn wanted(place: &'static OnceLock<Option<String>>, variable: &str) -> Option<&'static str> {
        place.get_or_init(|| std::env::var(variable).ok()).as_deref()
    }

    pub(super) fn crash(name: &str) {
        if wanted(&CRASH_AT, "MUSTER_CRASH_AT") == Some(name) || armed_since_start(name) {
            std::process::abort();
        }
    }

    fn armed_since_start(name: &str) -> bool {
        let file = wanted(&CRASH_FILE, "MUSTER_CRASH_FILE");
        file.and_then(|file| std::fs::read_to_string(file).ok()).is_some_and(|point| point == name)
    }

    pub(super) fn stop(name: &str) {
        let here = wanted(&STOP_AT, "MUSTER_STOP_AT") == Some(name);
        if here && !STOPPED.swap(true, Ordering::SeqCst) {
            let _stopped_and_back = raise(Signal::SIGSTOP);
        }
    }
}

//! Process groups: every attempt is one, so that nothing it started outlives it.

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The process group of one attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Group(Pid);

impl Group {
    /// The group that this process leads.
    pub(crate) fn of_leader(pid: u32) -> Option<Self> {
        let pid = i32::try_from(pid).ok().filter(|pid| *pid > 1)?;
        Some(Self(Pid::from_raw(pid)))
    }

    /// Signals every process of the group; an empty group is left alone.
    pub(crate) fn signal(self, signal: Signal) {
        match killpg(self.0, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => {
                tracing::warn!(group = self.0.as_raw(), %signal, %error, "cannot signal a process group");
            }
        }
    }
}

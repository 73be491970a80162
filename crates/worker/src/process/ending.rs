//! How an attempt's processes are brought to their end: SIGTERM, grace, SIGKILL. Plain code; the caller signals.

use std::time::Duration;

use muster_wire::job::{Exit, ExitKind};
use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::core::{Stop, StopCause};

/// Deadlines further away than this are none.
const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Why an attempt did not end by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reason {
    TimedOut,
    Stopped(StopCause),
}

/// How the main process ended, as the system tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Status {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
}

/// The end of one attempt: not begun, SIGTERM sent, SIGKILL sent.
pub(crate) struct Ending {
    timeout: Duration,
    grace: Duration,
    timeout_at: Instant,
    kill_at: Option<Instant>,
    reason: Option<Reason>,
    killed: bool,
}

impl Ending {
    pub(crate) fn new(now: Instant, timeout_ms: u64, grace_ms: u64) -> Self {
        let timeout = Duration::from_millis(timeout_ms).min(FAR);
        let grace = Duration::from_millis(grace_ms).min(FAR);
        let timeout_at = now + timeout;
        Self { timeout, grace, timeout_at, kill_at: None, reason: None, killed: false }
    }

    /// When [`Ending::elapse`] is due; `None` when nothing more can be done.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.killed {
            true => None,
            false => Some(self.kill_at.unwrap_or(self.timeout_at)),
        }
    }

    /// The deadline has come.
    pub(crate) fn elapse(&mut self, now: Instant) -> Signal {
        match self.kill_at {
            Some(_) => self.kill(),
            None => self.terminate(Reason::TimedOut, now + self.grace),
        }
    }

    /// An order to stop; a second one can only shorten the grace.
    pub(crate) fn stop(&mut self, stop: Stop, now: Instant) -> Signal {
        let grace = stop.grace_ms.map_or(self.grace, |ms| Duration::from_millis(ms).min(FAR));
        self.terminate(Reason::Stopped(stop.cause), now + grace)
    }

    /// No grace at all: the node stops now.
    pub(crate) fn abort(&mut self) -> Signal {
        self.reason.get_or_insert(Reason::Stopped(StopCause::Shutdown));
        self.kill()
    }

    fn terminate(&mut self, reason: Reason, kill_at: Instant) -> Signal {
        self.reason.get_or_insert(reason);
        self.kill_at = Some(self.kill_at.map_or(kill_at, |before| before.min(kill_at)));
        Signal::SIGTERM
    }

    fn kill(&mut self) -> Signal {
        self.killed = true;
        Signal::SIGKILL
    }

    /// How the attempt ended, given how its main process did.
    pub(crate) fn exit(&self, status: Status, last_words: Option<String>) -> Exit {
        let (kind, error) = match self.reason {
            Some(Reason::TimedOut) => {
                (ExitKind::TimedOut, Some(format!("ran longer than {:?}", self.timeout)))
            }
            Some(Reason::Stopped(cause)) => exit_of_stop(cause),
            None => exit_of_status(status, last_words),
        };
        Exit { kind, code: status.code, signal: status.signal, error }
    }
}

/// The exit of an attempt that was stopped.
pub(crate) fn exit_of_stop(cause: StopCause) -> (ExitKind, Option<String>) {
    let (kind, error) = match cause {
        StopCause::Cancelled => (ExitKind::Cancelled, "stopped on request"),
        StopCause::Orphaned => (ExitKind::Lost, "no manager led the job for too long"),
        StopCause::Shutdown => (ExitKind::Lost, "the worker was stopped"),
    };
    (kind, Some(error.into()))
}

fn exit_of_status(status: Status, last_words: Option<String>) -> (ExitKind, Option<String>) {
    let Status { code, signal } = status;
    let said = last_words.map(|words| format!(": {words}")).unwrap_or_default();
    match (code, signal) {
        (Some(0), _) => (ExitKind::Exited, None),
        (Some(code), _) => (ExitKind::Exited, Some(format!("exit code {code}{said}"))),
        (None, Some(signal)) => (ExitKind::Signaled, Some(format!("killed by signal {signal}{said}"))),
        (None, None) => (ExitKind::Lost, Some("its end was not seen".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending() -> (Ending, Instant) {
        let clock = muster_runtime::Clock::system();
        (Ending::new(clock.now(), 1000, 200), clock.now())
    }

    #[test]
    fn a_timeout_terminates_then_kills() {
        let (mut ending, now) = ending();
        assert_eq!(ending.elapse(now), Signal::SIGTERM);
        assert_eq!(ending.deadline(), Some(now + Duration::from_millis(200)));
        assert_eq!(ending.elapse(now), Signal::SIGKILL);
        assert_eq!(ending.deadline(), None);
        let exit = ending.exit(Status { code: None, signal: Some(9) }, None);
        assert_eq!((exit.kind, exit.signal), (ExitKind::TimedOut, Some(9)));
    }

    #[test]
    fn a_second_stop_only_shortens_the_grace_and_the_first_reason_stays() {
        let (mut ending, now) = ending();
        ending.stop(Stop { cause: StopCause::Cancelled, grace_ms: Some(100) }, now);
        ending.stop(Stop { cause: StopCause::Shutdown, grace_ms: Some(500) }, now);
        assert_eq!(ending.deadline(), Some(now + Duration::from_millis(100)));
        assert_eq!(ending.exit(Status { code: Some(0), signal: None }, None).kind, ExitKind::Cancelled);
    }

    #[test]
    fn the_longest_times_do_not_overflow() {
        let now = muster_runtime::Clock::system().now();
        let mut ending = Ending::new(now, u64::MAX, u64::MAX);
        ending.elapse(now);
        assert!(ending.deadline().is_some());
    }

    #[test]
    fn a_failed_process_has_the_last_word() {
        let (ending, _) = ending();
        let exit = ending.exit(Status { code: Some(3), signal: None }, Some("no such table".into()));
        assert_eq!((exit.kind, exit.code), (ExitKind::Exited, Some(3)));
        assert_eq!(exit.error.as_deref(), Some("exit code 3: no such table"));
    }
}

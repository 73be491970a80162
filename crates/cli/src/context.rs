//! What every command gets: the client, where to print, and a way to hear ctrl-C.

use std::io::IsTerminal as _;

use jiff::Timestamp;
use muster_client::{Client, ClientOptions};

use crate::args::Global;
use crate::failure::Failure;
use crate::output::Output;

/// What every command gets.
pub(crate) struct Context {
    /// Flags of every command.
    pub(crate) global: Global,
    /// Where to print.
    pub(crate) out: Output,
}

impl Context {
    /// From the flags.
    pub(crate) fn new(global: Global) -> Self {
        let out = Output::new(&global);
        Self { global, out }
    }

    /// A client of the gates in the flags.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        self.client_of(self.global.gate.clone())
    }

    /// A client of some gates.
    pub(crate) fn client_of(&self, gates: Vec<String>) -> Result<Client, Failure> {
        let (token, deadline) = (self.global.token.clone(), self.global.timeout);
        Ok(Client::new(ClientOptions { gates, token, deadline })?)
    }

    /// Asks before something that cannot be undone, where somebody can answer; `--yes` answers.
    pub(crate) fn confirm(&self, question: &str) -> Result<(), Failure> {
        if self.global.yes || !std::io::stdin().is_terminal() {
            return Ok(());
        }
        eprint!("{question} [y/N] ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        match answer.trim().eq_ignore_ascii_case("y") {
            true => Ok(()),
            false => Err(Failure::usage("nothing was done; say yes with `y` or `--yes`")),
        }
    }

    /// Now, for relative times.
    pub(crate) fn now(&self) -> Timestamp {
        let ms = i64::try_from(muster_runtime::Clock::system().unix_ms()).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

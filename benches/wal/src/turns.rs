//! Writers that take turns: what the machine does to one of them within a minute, it does to all.

use std::{thread, time::Duration};

use crate::{
    Result,
    figures::{Figures, Spread},
};

const ROUNDS: usize = 5;
/// How long a turn is.
const TURN: Duration = Duration::from_secs(2);
/// By then it is done what a turn leaves to do.
const PAUSE: Duration = Duration::from_millis(300);

/// Somebody who writes, and keeps what is open between turns.
pub(crate) trait Writer {
    /// Writes for this time; nothing is in flight before or after.
    fn turn(&mut self, time: Duration) -> Result<Figures>;
}

/// A writer and what it came to in each round.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    writer: Box<dyn Writer>,
    rounds: Vec<Figures>,
}

impl Row {
    pub(crate) fn new(name: &'static str, writer: impl Writer + 'static) -> Self {
        Self { name, writer: Box::new(writer), rounds: Vec::new() }
    }

    /// One figure over all rounds.
    pub(crate) fn spread(&self, figure: fn(&Figures) -> f64) -> Spread {
        self.rounds.iter().map(figure).collect()
    }

    /// One figure divided by the other row's of the same round.
    pub(crate) fn beside(&self, other: &Row, figure: fn(&Figures) -> f64) -> Spread {
        self.rounds.iter().zip(&other.rounds).map(|(one, other)| figure(one) / figure(other)).collect()
    }

    /// Rate, p50 and p99 as cells of a table.
    pub(crate) fn cells(&self) -> String {
        let (rate, p50, p99) =
            (self.spread(|f| f.rate), self.spread(|f| f.p50_us), self.spread(|f| f.p99_us));
        format!("{rate} | {p50} | {p99}")
    }
}

/// In each round everyone has one turn; each round begins with another one.
pub(crate) fn take_turns(rows: &mut [Row]) -> Result<()> {
    settle()?;
    for round in 0..ROUNDS {
        for turn in 0..rows.len() {
            let at = (round + turn) % rows.len();
            let figures = rows[at].writer.turn(TURN)?;
            rows[at].rounds.push(figures);
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

/// What was prepared is on disk before the first turn, not during it.
fn settle() -> Result<()> {
    let status = std::process::Command::new("sync").status()?;
    if status.success() { Ok(()) } else { Err(format!("sync: {status}").into()) }
}

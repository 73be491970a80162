//! The dispatch table: the only list of a machine's commands. Metric names, docs and conformance tests read it.

use muster_wire::CodecError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Machine, Outcome, Reason, Stamp};

/// A command's identity on the wire and in metrics.
pub trait Command: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its stable number.
    const TAG: u16;
    /// Its name, `snake_case`.
    const NAME: &'static str;
    /// What success answers.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
}

/// How a command changes a state.
pub trait Apply<M: Machine>: Command {
    /// Total and deterministic. A `Rejected` outcome must leave the state unchanged.
    fn apply(self, state: &mut M, stamp: Stamp) -> Outcome;
}

/// A condition that is checked before a command is decoded; `Err` is its rejection.
pub type Guard<M> = fn(&M, &Stamp) -> Result<(), Reason>;

/// One row of the table.
pub struct Row<M: Machine> {
    /// Stable number.
    pub tag: u16,
    /// Name.
    pub name: &'static str,
    /// Names of the guards, for docs and the conformance test.
    pub guard_names: &'static [&'static str],
    /// Checked in order.
    pub guards: &'static [Guard<M>],
    /// Decodes and applies.
    pub apply: fn(&mut M, Stamp, &[u8]) -> Result<Outcome, CodecError>,
}

/// All rows of a machine.
pub struct Table<M: Machine> {
    /// By rising tag.
    pub rows: &'static [Row<M>],
}

impl<M: Machine> Table<M> {
    /// The row with a tag.
    pub fn row(&self, tag: u16) -> Option<&'static Row<M>> {
        self.rows.iter().find(|row| row.tag == tag)
    }
}

/// Decodes and applies one command: what the rows of [`command_table!`](crate::command_table) point to.
pub fn decode_and_apply<M: Machine, C: Apply<M>>(
    state: &mut M,
    stamp: Stamp,
    body: &[u8],
) -> Result<Outcome, CodecError> {
    let command: C = muster_wire::decode(body)?;
    Ok(command.apply(state, stamp))
}

/// Declares the table of a machine, and each command's tag, name and reply.
///
/// ```ignore
/// command_table! { JobState:
///     1 => CreateJob "create_job" -> JobStatus { guards: [] },
///     5 => RegisterSubWorkflow "register_sub_workflow" -> Dispatched { guards: [current_token, job_open] },
/// }
/// ```
/// defines `pub(crate) static COMMANDS: Table<JobState>` in the calling module.
#[macro_export]
macro_rules! command_table {
    ($machine:ty: $($tag:literal => $command:ty, $name:literal -> $reply:ty { guards: [$($guard:ident),* $(,)?] },)+) => {
        $(
            impl $crate::Command for $command {
                const TAG: u16 = $tag;
                const NAME: &'static str = $name;
                type Reply = $reply;
            }
        )+

        /// The one list of commands.
        pub(crate) static COMMANDS: $crate::Table<$machine> = $crate::Table {
            rows: &[$(
                $crate::Row {
                    tag: $tag,
                    name: $name,
                    guard_names: &[$(stringify!($guard)),*],
                    guards: &[$($guard as $crate::Guard<$machine>),*],
                    apply: $crate::table::decode_and_apply::<$machine, $command>,
                },
            )+],
        };
    };
}

//! What a worker keeps on disk.
//!
//! ```text
//!   data_dir/running/…    one file per attempt with processes: what a later start reports as lost
//!   data_dir/results/…    one file per result that is not acknowledged
//!   data_dir/jobs/JOB/…   an attempt's folder: where it starts, and its context file
//!   log_dir/JOB/….log     the shards' logs
//! ```

mod folders;
mod records;
mod sealed;

pub(crate) use folders::Folders;
pub(crate) use records::{At, Begun, Owed, Records};

//! What a worker keeps on disk.
//!
//! ```text
//!   data_dir/records      attempts with processes, which a later start reports as lost; results not acknowledged
//!   data_dir/jobs/JOB/…   an attempt's folder: where it starts, and its context file
//!   log_dir/JOB/….log     the shards' logs
//! ```

mod folders;
mod journal;
mod kept;
mod records;

pub(crate) use folders::Folders;
pub(crate) use kept::Kept;
#[cfg(test)]
pub(crate) use records::read;
pub(crate) use records::{At, Begun, Owed, Records};

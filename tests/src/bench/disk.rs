//! The yardstick: how often this disk can make 4 KiB durable.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use muster_runtime::Clock;

const BLOCK: usize = 4096;
const BLOCKS: u64 = 256;

/// Overwrites a pre-written file block by block, one `fdatasync` each, for a second.
pub(super) fn fdatasync_rate() -> anyhow::Result<()> {
    let mut file = tempfile::tempfile()?;
    let block = vec![7_u8; BLOCK];
    for _ in 0..BLOCKS {
        file.write_all(&block)?;
    }
    file.sync_all()?;
    let clock = Clock::system();
    let started = clock.now();
    let mut syncs = 0_u64;
    while started.elapsed() < Duration::from_secs(1) {
        file.seek(SeekFrom::Start(syncs % BLOCKS * BLOCK as u64))?;
        file.write_all(&block)?;
        file.sync_data()?;
        syncs += 1;
    }
    println!(
        "| raw fdatasync of 4 KiB, pre-written file | {:.0}/s |",
        syncs as f64 / started.elapsed().as_secs_f64()
    );
    Ok(())
}

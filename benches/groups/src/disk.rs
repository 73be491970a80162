//! The yardstick of the disk: 4 KiB written and made durable, one after the other, in a file written before.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use tokio::time::Instant;

use muster_groups::figures::{Figures, row};

const BLOCK: [u8; 4096] = [0x5a; 4096];
const BLOCKS: u64 = 256;
const LASTING: Duration = Duration::from_secs(2);

/// How often the disk makes 4 KiB durable.
pub fn fdatasync_rate() -> anyhow::Result<()> {
    let file = tempfile::tempfile()?;
    (0..BLOCKS).try_for_each(|at| file.write_all_at(&BLOCK, at * 4096))?;
    file.sync_all()?;
    let begun = Instant::now();
    let mut latencies = Vec::new();
    while begun.elapsed() < LASTING {
        latencies.push(once(&file, latencies.len() as u64 % BLOCKS)?);
    }
    row("raw fdatasync of 4 KiB", &Figures::new(latencies, begun.elapsed(), 0).text());
    Ok(())
}

fn once(file: &File, at: u64) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    file.write_all_at(&BLOCK, at * 4096)?;
    file.sync_data()?;
    Ok(begun.elapsed())
}

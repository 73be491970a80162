//! The disk's own speed: one block, one sync, again and again, in a file that is written already.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use crate::{Result, figures::Figures};

const BLOCK: usize = 4096;
const FILE_BYTES: usize = 64 << 20;

pub(crate) fn syncs(base: &Path, time: Duration) -> Result<Figures> {
    let path = base.join("raw");
    std::fs::write(&path, vec![0; FILE_BYTES])?;
    let file = File::options().write(true).open(&path)?;
    file.sync_all()?;
    let (block, mut nanos, start) = ([7; BLOCK], Vec::new(), Instant::now());
    for at in (0..FILE_BYTES).step_by(BLOCK).cycle() {
        let one = Instant::now();
        file.write_all_at(&block, at as u64)?;
        file.sync_data()?;
        nanos.push(one.elapsed().as_nanos() as u64);
        if start.elapsed() > time {
            break;
        }
    }
    let took = start.elapsed();
    std::fs::remove_file(path)?;
    Ok(Figures::new(nanos, took))
}

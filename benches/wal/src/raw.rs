//! The disk's own speed: one block, one sync, again and again, in a file that is written already.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use crate::{Result, figures::Figures, turns::Writer};

const BLOCK: usize = 4096;
const FILE_BYTES: usize = 64 << 20;

pub(crate) struct Raw(File);

impl Raw {
    pub(crate) fn new(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let path = dir.join("raw");
        std::fs::write(&path, vec![0; FILE_BYTES])?;
        let file = File::options().write(true).open(&path)?;
        file.sync_all()?;
        Ok(Self(file))
    }
}

impl Writer for Raw {
    fn turn(&mut self, time: Duration) -> Result<Figures> {
        let (block, mut nanos, start) = ([7; BLOCK], Vec::new(), Instant::now());
        for at in (0..FILE_BYTES).step_by(BLOCK).cycle() {
            let one = Instant::now();
            self.0.write_all_at(&block, at as u64)?;
            self.0.sync_data()?;
            nanos.push(one.elapsed().as_nanos() as u64);
            if start.elapsed() > time {
                break;
            }
        }
        Ok(Figures::new(nanos, start.elapsed()))
    }
}

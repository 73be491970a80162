//! What the kernel knows of this process, as the usual `process_*` metrics. Nothing where there is no `/proc`.

use std::fs;

/// Clock ticks per second in `/proc`: fixed at 100 on every Linux that muster runs on.
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE_BYTES: f64 = 4096.0;

/// Sets the metrics to what `/proc/self` says now.
pub(crate) fn record() {
    if let Some(fds) = open_files() {
        metrics::gauge!("process_open_fds").set(fds as f64);
    }
    let Some(stat) = Stat::read() else { return };
    metrics::counter!("process_cpu_seconds_total").absolute(stat.cpu_seconds as u64);
    metrics::gauge!("process_threads").set(stat.threads);
    metrics::gauge!("process_virtual_memory_bytes").set(stat.virtual_bytes);
    metrics::gauge!("process_resident_memory_bytes").set(stat.resident_bytes);
}

fn open_files() -> Option<usize> {
    fs::read_dir("/proc/self/fd").ok().map(Iterator::count)
}

struct Stat {
    cpu_seconds: f64,
    threads: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
}

impl Stat {
    /// Fields after the command name, which may hold blanks: see proc(5), counted from 3.
    fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        let fields: Vec<f64> = text.rsplit_once(')')?.1.split_whitespace().skip(1).map(number).collect();
        let field = |position: usize| fields.get(position - 4).copied();
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / TICKS_PER_SECOND,
            threads: field(20)?,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * PAGE_BYTES,
        })
    }
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_default()
}

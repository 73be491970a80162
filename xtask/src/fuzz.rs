//! `cargo xtask fuzz swim [SECONDS]`: random input for decoders, from a seed that is printed.

use crate::tools;
use crate::verdict::Verdict;

const SECONDS: &str = "600";
/// Runs the driver named, by default for ten minutes.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<Verdict> {
    let target = arguments.first().map_or("", String::as_str);
    anyhow::ensure!(target == "swim", "name a target: swim");
    let seconds = arguments.get(1).map_or(SECONDS, String::as_str);
    Verdict::of(tools::swim_program("swim-fuzz").arg(seconds))
}

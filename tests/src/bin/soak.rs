//! `cargo xtask soak manager [SECONDS] [JOBS] [SEED]`, `cargo xtask soak gate [SECONDS]`.

use std::process::ExitCode;

use muster_tests::soak;
use muster_tests::soak::manager::Plan;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |at: usize, default: u64| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let name = arguments.first().map_or("", String::as_str);
    let seconds = if name == "gate" { 180 } else { 120 };
    let plan = Plan { seconds: number(1, seconds), jobs: number(2, 200) as usize, seed: number(3, 1) };
    match soak::run(name, plan).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error:#}");
            ExitCode::FAILURE
        }
    }
}

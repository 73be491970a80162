//! `cargo xtask soak manager [SECONDS] [JOBS] [SEED]`.

use std::process::ExitCode;

use muster_tests::soak;
use muster_tests::soak::manager::Plan;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |at: usize, default: u64| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let plan = Plan { seconds: number(1, 120), jobs: number(2, 200) as usize, seed: number(3, 1) };
    let name = arguments.first().map_or("", String::as_str);
    match soak::run(name, plan).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error:#}");
            ExitCode::FAILURE
        }
    }
}

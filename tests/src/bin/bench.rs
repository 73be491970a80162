//! `cargo xtask bench`: first figures, each beside the raw rate of `fdatasync` measured in the same run.

use std::process::ExitCode;

use muster_tests::bench;

#[tokio::main]
async fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    match bench::run(&wanted).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

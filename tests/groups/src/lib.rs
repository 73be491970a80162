//! Processes that host Raft groups and nothing else, the load on them, and the faults that they are put under:
//! `cargo xtask soak groups` and, beside other systems, `cargo xtask bench groups`.

pub mod calls;
pub mod cluster;
pub mod figures;
pub mod load;
pub mod machine;
pub mod node;
mod relay;
pub mod soak;

use std::process::ExitCode;

/// A program's whole life: what goes wrong is told on standard error, in logs (`RUST_LOG` asks for more) and at the end.
pub async fn run_program(name: &str, run: impl AsyncFnOnce(&[String]) -> anyhow::Result<()>) -> ExitCode {
    start_logs();
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start_logs() {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "warn,openraft=error".into());
    let filter = tracing_subscriber::EnvFilter::new(filter);
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

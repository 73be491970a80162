//! The project's own gates, run as `cargo xtask <subcommand>`: one file per subcommand, one row per
//! subcommand in [`SUBCOMMANDS`].

mod arrows;
mod bench;
mod bench_wal;
mod ci;
mod complexity;
mod faults;
mod fix;
mod fuzz;
mod sim;
mod soak;
mod sources;
mod tools;
mod verdict;

#[cfg(test)]
mod acceptance_test;

use std::process::ExitCode;

use crate::verdict::Verdict;

/// A subcommand: what it is called, what it says about itself, what it does.
struct Subcommand {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> anyhow::Result<Verdict>,
}

const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "complexity",
        about: "[PATHS…]  hold the limits on functions and files, below the paths or everywhere",
        run: complexity::run,
    },
    Subcommand {
        name: "arrows",
        about: "hold the order of the crates and keep the state machines pure",
        run: arrows::run,
    },
    Subcommand {
        name: "ci",
        about: "[STEPS…]  run every check that is no test, or the named ones",
        run: ci::run,
    },
    Subcommand {
        name: "bench",
        about: "[wal [PARTS…] | submit|jobs|failover|large|churn | groups [NAMES…] | swim [PARTS…]]  measure processes beside the raw disk and other systems",
        run: bench::run,
    },
    Subcommand {
        name: "soak",
        about: "manager [SECONDS] [JOBS] [SEED] | gate [SECONDS] | properties [SEQUENCES] | groups [short|NAMES…] | swim  hold what must hold under faults",
        run: soak::run,
    },
    Subcommand {
        name: "faults",
        about: "[eio|full|power|kill]  let real files fail under the write-ahead log; needs root",
        run: faults::run,
    },
    Subcommand {
        name: "sim",
        about: "[SEEDS] | soak [SEEDS] | sabotage [MECHANISMS…] | show SEED [MECHANISM]  simulate hosts of many groups",
        run: sim::run,
    },
    Subcommand { name: "fuzz", about: "swim [SECONDS]  feed random input to decoders", run: fuzz::run },
    Subcommand { name: "fix", about: "apply clippy's suggestions and format", run: fix::run },
];

/// The exit code of a wrong command line, as in the product's own commands.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let Some(subcommand) = SUBCOMMANDS.iter().find(|row| row.name == name) else { return usage() };
    finish((subcommand.run)(&arguments.collect::<Vec<_>>()))
}

fn finish(result: anyhow::Result<Verdict>) -> ExitCode {
    match result {
        Ok(Verdict::Broken) => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: cargo xtask <subcommand>\n");
    for row in SUBCOMMANDS {
        eprintln!("  {:<12}{}", row.name, row.about);
    }
    ExitCode::from(USAGE)
}

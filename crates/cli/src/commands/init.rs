//! `muster init`: a commented example job file.

use std::io::Write as _;

use crate::args::Init;
use crate::context::Context;
use crate::exit;
use crate::failure::Failure;

const EXAMPLE: &str = include_str!("../../../../examples/hello.toml");

pub(crate) fn run(context: &Context, args: &Init) -> Result<u8, Failure> {
    let name = args.file.display();
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&args.file);
    let mut file = file.map_err(|error| refused(&name.to_string(), &error))?;
    file.write_all(EXAMPLE.as_bytes())?;
    match context.out.json {
        true => context.out.document(&serde_json::json!({"file": name.to_string()}))?,
        false => context.out.note(&format!(
            "wrote {name}; check it with `muster validate {name}`, run it with `muster submit -f {name}`"
        )),
    }
    Ok(exit::DONE)
}

fn refused(name: &str, error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::new(4, "conflict", format!("{name} exists; name another file with `muster init FILE`"))
        }
        _ => Failure::new(exit::OTHER, "io", format!("cannot write {name}: {error}")),
    }
}

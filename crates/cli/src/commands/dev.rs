//! `muster dev`: a whole cluster in one process.

use crate::args::Dev;
use crate::context::Context;
use crate::failure::Failure;

pub(crate) async fn run(_context: &Context, _args: Dev) -> Result<u8, Failure> {
    Err(Failure::usage("not built in"))
}

//! `muster watch`.

use crate::context::Context;
use crate::failure::Failure;
use crate::follow;

pub(crate) async fn run(context: &Context, job: &str) -> Result<u8, Failure> {
    let client = context.client()?;
    let id = client.job(job).await?.id.to_string();
    follow::to_the_end(context, &client, &id).await
}

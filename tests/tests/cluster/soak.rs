//! The short part of `cargo xtask soak manager`.

use muster_tests::soak::manager::{Plan, run};

use crate::support::turn;

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_every_shape_end_as_they_have_to_while_managers_and_workers_are_killed_and_stopped() {
    let _turn = turn().await;
    let found = run(Plan { seconds: 20, jobs: 27, seed: 7 }).await.unwrap();
    println!("{found}");
    found.ensure_held().unwrap();
}

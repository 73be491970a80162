//! The short parts of `cargo xtask soak manager` and `cargo xtask soak gate`.

use muster_sites::Sites;
use muster_tests::soak::{gate, manager};

use crate::support::turn;

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_every_shape_end_as_they_have_to_while_managers_and_workers_are_killed_and_stopped() {
    let _turn = turn().await;
    let found = manager::run(manager::Plan { seconds: 20, jobs: 27, seed: 7 }).await.unwrap();
    println!("{found}");
    found.ensure_held().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_end_once_and_right_while_gates_die_and_a_datacenter_is_cut_off() {
    let _turn = turn().await;
    if let Err(error) = Sites::create(&["probe".to_owned()]) {
        eprintln!("SKIPPED: no network namespaces here: {error:#}");
        return;
    }
    gate::run(gate::Plan::brief()).await.unwrap();
}

//! The short part of `cargo xtask soak groups`.

use std::process::Command;

#[test]
fn hosts_of_groups_lose_no_acknowledged_write_in_restarts_transfers_and_minorities() {
    let soak = Command::new(env!("CARGO_BIN_EXE_muster-groups")).args(["soak", "short"]).output().unwrap();
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(soak.status.success(), "{}\n{}", told(&soak.stdout), told(&soak.stderr));
}

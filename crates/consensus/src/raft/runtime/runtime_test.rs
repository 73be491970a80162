use super::*;
use openraft_rt::testing::Suite;

/// openraft's own tests of a runtime: tasks, timers, queues, watched values.
#[test]
fn it_is_a_runtime_for_openraft() {
    Suite::<Runtime>::test_all();
}

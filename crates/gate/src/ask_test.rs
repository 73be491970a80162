use muster_wire::{Generation, MemberNumber, NodeId, NodeRef};
use tokio::time::{Instant, sleep};

use super::*;

fn addrs(names: &[&str]) -> Vec<String> {
    names.iter().rev().map(|name| (*name).to_owned()).collect()
}

/// "gone" never answers, "new" does not lead and names "lead", "late" answers when the next one is asked already. The
/// time is virtual: nothing waits.
async fn play(addr: String) -> Result<Asked<String>, CallError> {
    match addr.as_str() {
        "gone" => sleep(CALL_TIMEOUT).await,
        "late" => sleep(BESIDE_AFTER * 2).await,
        _ => {}
    }
    match addr.as_str() {
        "gone" => Err(CallError::Timeout),
        "new" => Err(CallError::Rpc(RpcError::NotLeader { leader: Some(Box::new(leader())) })),
        _ => Ok(Asked::Reply(addr)),
    }
}

fn leader() -> NodeRef {
    let (id, generation, member) = (NodeId(1), Generation(1), MemberNumber(1));
    NodeRef { id, generation, member, name: "m1".into(), addr: "lead".into() }
}

fn replied(asked: Asked<String>) -> Option<String> {
    match asked {
        Asked::Reply(addr) => Some(addr),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_has_vanished_holds_up_a_job_for_half_a_second_only() {
    let began = Instant::now();
    assert_eq!(replied(first_word(addrs(&["gone", "m2", "m3"]), play).await), Some("m2".into()));
    assert_eq!(began.elapsed(), BESIDE_AFTER);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_slow_may_still_answer_first() {
    assert_eq!(replied(first_word(addrs(&["late", "gone"]), play).await), Some("late".into()));
}

#[tokio::test(start_paused = true)]
async fn who_is_named_as_the_leader_is_asked_next_and_nobody_twice() {
    assert_eq!(replied(first_word(addrs(&["new", "m2"]), play).await), Some("lead".into()));
}

#[tokio::test(start_paused = true)]
async fn nobody_s_answer_is_silence_once_all_were_waited_for() {
    let began = Instant::now();
    assert_eq!(replied(first_word(addrs(&["gone"]), play).await), None);
    assert_eq!(began.elapsed(), CALL_TIMEOUT);
}

use super::*;
use crate::machine::fixture::{Bench, Case, node, refusal, repeat, success};
use muster_wire::Generation;

pub(crate) const CASES: &[Case] = &[
    success("the death of the leader's process clears the hint to it", || {
        let mut bench = Bench::submitted();
        let outcome = bench.run(0, event(MemberEvent::Dead, 1));
        assert!(bench.job().leadership.leader_is_gone);
        outcome
    }),
    success("a new process of a known node", || {
        let mut bench = Bench::submitted();
        bench.run(0, event(MemberEvent::Dead, 1));
        bench.run(0, event(MemberEvent::NewGeneration, 2))
    }),
    repeat("the same event again", || {
        let mut bench = Bench::submitted();
        bench.run(0, event(MemberEvent::Dead, 1));
        bench.run(0, event(MemberEvent::Dead, 1))
    }),
    refusal("stale", "an older process", || {
        let mut bench = Bench::submitted();
        bench.run(0, event(MemberEvent::Join, 2));
        bench.run(0, event(MemberEvent::Dead, 1))
    }),
];

fn event(event: MemberEvent, generation: u64) -> GateMembershipEvent {
    GateMembershipEvent { event, node: NodeRef { generation: Generation(generation), ..node(1) } }
}

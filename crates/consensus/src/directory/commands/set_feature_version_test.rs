use muster_wire::Generation;

use super::super::super::testing::*;
use super::super::super::*;
use super::*;

#[test]
fn the_version_rises_once_every_present_member_understands_it() {
    let mut bench = Bench::of(2);
    assert_eq!(bench.same(&SetFeatureVersion { feature: 1 }), 1);
    assert!(matches!(bench.refused(&SetFeatureVersion { feature: 2 }), Reason::NotAllowed { .. }));
    bench.applied(&MemberJoin { feature: 2, generation: Generation(2), ..join(1) });
    bench.applied(&MemberRemove { member: MemberNumber(2) });
    assert_eq!(bench.applied(&SetFeatureVersion { feature: 2 }), 2);
    assert_eq!(bench.refused(&SetFeatureVersion { feature: 1 }), Reason::Stale);
    assert_eq!(bench.directory().feature(), 2);
}

use std::collections::BTreeMap;

use super::*;
use crate::machine::fixture::node;

fn known(managers: &[u8]) -> Known {
    let now = Instant::now();
    let mut known = Known::new(vec!["seed:1".to_owned()], now);
    let report = DatacenterReport {
        datacenter: "dc".into(),
        managers: managers.iter().map(|id| node(*id)).collect(),
        workers: 0,
        cores_total: 0,
        cores_used: 0,
        has_leader: true,
        queued: 0,
    };
    known.heard(report, now, now);
    known
}

#[test]
fn jobs_begin_at_every_manager_equally_often_and_the_configured_ones_stay_last() {
    let known = known(&[1, 2, 3]);
    let mut firsts: BTreeMap<String, u32> = BTreeMap::new();
    for job in (0..300).map(JobId) {
        let addrs = known.addrs_for(job);
        assert_eq!((addrs.len(), addrs[3].as_str()), (4, "seed:1"));
        *firsts.entry(addrs[0].clone()).or_default() += 1;
    }
    assert!(firsts.values().eq([100; 3].iter()), "{firsts:?}");
}

#[test]
fn before_the_first_answer_a_job_goes_to_the_configured_managers() {
    let known = Known::new(vec!["seed:1".to_owned()], Instant::now());
    assert_eq!(known.addrs_for(JobId(7)), ["seed:1"]);
}

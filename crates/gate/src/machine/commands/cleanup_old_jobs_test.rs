use super::*;
use crate::machine::commands::SetJob;
use crate::machine::fixture::{Bench, Case, repeat, success};
use muster_machine::Reason;

pub(crate) const CASES: &[Case] = &[
    success("a finished job of that age becomes its tombstone", || {
        let mut bench = Bench::ended();
        bench.wait(100);
        let outcome = bench.run(0, CleanupOldJobs { max_age_ms: 100, unsubmitted: false });
        assert_eq!(outcome.reply(), Ok(Cleanup::Purged(JobStatus::Failed)));
        outcome
    }),
    success("a registration without a submission becomes void", || {
        let mut bench = Bench::blank();
        bench.wait(60_000);
        let outcome = bench.run(0, CleanupOldJobs { max_age_ms: 60_000, unsubmitted: true });
        assert_eq!(
            bench.run(0, SetJob::creation()).rejection(),
            Some(&Reason::Gone { status: JobStatus::Void })
        );
        outcome
    }),
    repeat("of a purge", || Bench::purged().run(0, CleanupOldJobs { max_age_ms: 0, unsubmitted: false })),
    repeat("a younger one is kept", || {
        let outcome = Bench::ended().run(0, CleanupOldJobs { max_age_ms: 1, unsubmitted: false });
        assert_eq!(outcome.reply(), Ok(Cleanup::Kept));
        outcome
    }),
    repeat("a finished one is kept by whoever saw no job in it yet", || {
        let mut bench = Bench::ended();
        bench.wait(60_000);
        let outcome = bench.run(0, CleanupOldJobs { max_age_ms: 60_000, unsubmitted: true });
        assert_eq!(outcome.reply(), Ok(Cleanup::Kept));
        outcome
    }),
    repeat("an open one is kept, however old", || {
        let mut bench = Bench::submitted();
        bench.wait(u32::MAX.into());
        bench.run(0, CleanupOldJobs { max_age_ms: 0, unsubmitted: false })
    }),
];

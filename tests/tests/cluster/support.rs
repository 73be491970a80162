//! What the cluster tests share.

use std::collections::BTreeMap;

use muster_tests::Cluster;
use muster_wire::api::{JobResults, JobView};
use muster_wire::job::JobStatus;
use tokio::sync::{Mutex, MutexGuard};

static TURN: Mutex<()> = Mutex::const_new(());

/// Waits for this test's turn; held until the test's end.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}

/// A job of `replicas` shards that each note their start and end in a file and work for some seconds.
pub(crate) fn noting_job(cluster: &Cluster, replicas: u32, seconds: u32) -> String {
    let notes = notes_file(cluster);
    format!(
        r#"name = "noting"
timeout = "10m"
[[workflows]]
name = "work"
replicas = {replicas}
retries = 3
backoff = "100ms"
grace = "1s"
command = ["sh", "-c", '''
echo "start {{{{shard}}}} {{{{attempt}}}} $MUSTER_FENCE $$ $MUSTER_JOB_ID" >> {notes}
for second in $(seq {seconds}); do echo "second $second"; sleep 1; done
echo "end {{{{shard}}}} {{{{attempt}}}} $MUSTER_FENCE $$" >> {notes}
''']
[[workflows]]
name = "after"
depends_on = ["work"]
command = ["true"]
"#
    )
}

/// Where the shards of [`noting_job`] write.
pub(crate) fn notes_file(cluster: &Cluster) -> String {
    cluster.data_dir("notes").display().to_string()
}

/// The lines that shards wrote, split into words.
pub(crate) fn notes(cluster: &Cluster) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(notes_file(cluster)).unwrap_or_default();
    text.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

/// The job completed, and each shard of each workflow has exactly one accepted result, with exit code 0.
pub(crate) fn assert_completed_once(job: &JobView, results: &JobResults) {
    assert_eq!(job.status, JobStatus::Completed, "{job:#?}");
    let expected: BTreeMap<&str, u32> =
        job.workflows.iter().map(|workflow| (workflow.name.as_str(), workflow.shards.total)).collect();
    for (datacenter, part) in &results.datacenters {
        for (name, workflow) in &part.workflows {
            let shards: Vec<u32> = workflow.shards.iter().map(|shard| shard.shard).collect();
            let wanted = expected[name.as_str()] / job.target_datacenters.len() as u32;
            assert_eq!(shards, (0..wanted).collect::<Vec<_>>(), "{datacenter} {name}");
            assert!(workflow.shards.iter().all(|shard| shard.exit_code == Some(0)), "{results:#?}");
        }
    }
}

/// No (shard, attempt) of a job was started twice.
pub(crate) fn assert_no_attempt_ran_twice(cluster: &Cluster) {
    let mut starts: BTreeMap<[String; 3], u32> = BTreeMap::new();
    for note in notes(cluster).into_iter().filter(|note| note[0] == "start") {
        *starts.entry([5, 1, 2].map(|word| note[word].clone())).or_default() += 1;
    }
    let twice: Vec<_> = starts.into_iter().filter(|(_, count)| *count > 1).collect();
    assert!(twice.is_empty(), "attempts that ran twice: {twice:?}");
}

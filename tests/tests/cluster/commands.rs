//! Every replicated command of the managers is proposed by real code on the path of a real job.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_machine::Machine as _;
use muster_manager::machine::ManagerJob;
use muster_tests::cluster::Role;
use muster_tests::{Cluster, Topology, metrics};
use muster_wire::api::CancelRequest;
use muster_wire::job::JobStatus;

use crate::support::turn;

/// Reports numbers, progress, a context value and an output.
const TELLS: &str = r#"name = "tells"
[[workflows]]
name = "tell"
command = ["sh", "-c", '''
for n in 1 2 3; do echo "::muster {\"progress\": 0.$n, \"stats\": {\"rows\": $n}}"; sleep 1; done
echo "::muster {\"context\": {\"seen\": 6}, \"output\": {\"rows\": 6}}"
''']
[[workflows]]
name = "use"
depends_on = ["tell"]
command = ["sh", "-c", "test {{context.seen}} = 6"]
"#;
const FAILS: &str = "name = 'fails'\n[[workflows]]\nname = 'bad'\ncommand = ['false']\n";
/// Five shards set 60 KiB each: more than a context holds.
const TOO_MUCH: &str = r#"name = "too-much"
[[workflows]]
name = "fill"
replicas = 5
command = ["sh", "-c", '''
printf '::muster {"context": {"part{{shard}}": "%s"}}\n' "$(head -c 60000 /dev/zero | tr '\0' x)"
''']
"#;
const LONG: &str =
    "name = 'long'\n[[workflows]]\nname = 'long'\nreplicas = 2\ngrace = '1s'\ncommand = ['sleep', '600']\n";
const LASTS: &str =
    "name = 'lasts'\n[[workflows]]\nname = 'lasts'\nreplicas = 4\ngrace = '1s'\ncommand = ['sleep', '8']\n";

/// Counts of applied commands, over processes that have ended as well.
#[derive(Default)]
struct Counted(BTreeMap<&'static str, f64>);

impl Counted {
    async fn add(&mut self, cluster: &Cluster, name: &str) {
        let text = cluster.get(name, "/metrics").await.unwrap_or_default();
        for row in ManagerJob::table().rows {
            let applied = |labels: &str| metrics::sum(&text, "muster_commands_applied_total", labels);
            let labels = format!("command=\"{}\",outcome=\"applied\"", row.name);
            *self.0.entry(row.name).or_default() += applied(&labels);
        }
    }
}

async fn ends(cluster: &Cluster, text: &str, status: JobStatus) {
    let job = cluster.submit(text).await.unwrap();
    let view = cluster.finished(&job, Duration::from_secs(90)).await.unwrap();
    assert_eq!(view.status, status, "{view:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_the_managers_table_is_applied_on_the_path_of_real_jobs() {
    let _turn = turn().await;
    let topology = Topology { gates: 1, dcs: 1, managers: 3, workers: 3, cores: 4 };
    let mut cluster = Cluster::start(topology).await.unwrap();
    let mut counted = Counted::default();

    ends(&cluster, TELLS, JobStatus::Completed).await;
    ends(&cluster, FAILS, JobStatus::Failed).await;
    ends(&cluster, TOO_MUCH, JobStatus::Failed).await;

    let long = cluster.submit(LONG).await.unwrap();
    cluster.running_shards(&long, 2).await.unwrap();
    cluster.client().unwrap().cancel(&long, &CancelRequest::default()).await.unwrap();
    let cancelled = cluster.finished(&long, Duration::from_secs(60)).await.unwrap();
    assert_eq!(cancelled.status, JobStatus::Cancelled);

    // A manager and a worker are killed under a job.
    let lasts = cluster.submit(LASTS).await.unwrap();
    cluster.running_shards(&lasts, 4).await.unwrap();
    let leader = cluster.leader(Role::Manager, &lasts).await.unwrap();
    counted.add(&cluster, &leader).await;
    cluster.kill(&leader).unwrap();
    cluster.kill("dc1-w1").unwrap();
    cluster.start_all().await.unwrap();
    let view = cluster.finished(&lasts, Duration::from_secs(120)).await.unwrap();
    assert_eq!(view.status, JobStatus::Completed, "{view:#?}");

    for manager in cluster.names(Role::Manager) {
        counted.add(&cluster, &manager).await;
    }
    let never: Vec<_> = counted.0.iter().filter(|(_, count)| **count == 0.0).map(|(name, _)| *name).collect();
    assert_eq!(counted.0.len(), 21);
    assert!(never.is_empty(), "never applied: {never:?}; {:?}", counted.0);
}

//! One key, one job, whatever gate is asked and whoever leads.

use std::collections::BTreeSet;

use muster_client::{ClientError, Submission};
use muster_tests::cluster::Role;
use muster_tests::{Cluster, Topology};

use crate::support::turn;

fn submission(body: &str, key: &str) -> Submission {
    Submission { body: body.into(), content_type: "application/toml", key: Some(key.into()) }
}

const JOB: &str = "name='once'\n[[workflows]]\nname='a'\ncommand=['true']\n";
const OTHER: &str = "name='other'\n[[workflows]]\nname='a'\ncommand=['true']\n";

#[tokio::test(flavor = "multi_thread")]
async fn fifty_concurrent_submissions_with_one_key_make_one_job() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(Topology::HA).await.unwrap();
    let gates = cluster.names(Role::Gate);
    let tries = (0..50).map(|at| {
        let client = cluster.client_of(&[gates[at % gates.len()].clone()]).unwrap();
        async move { client.submit(submission(JOB, "the-key")).await.unwrap().0.id }
    });
    let ids: BTreeSet<_> = futures_util::future::join_all(tries).await.into_iter().collect();
    assert_eq!(ids.len(), 1);
    let id = ids.first().unwrap().to_string();

    let refused = cluster.client().unwrap().submit(submission(OTHER, "the-key")).await.unwrap_err();
    assert_conflict(&refused);

    let leader = cluster.leader(Role::Gate, &id).await.unwrap();
    cluster.kill(&leader).unwrap();
    let (again, replayed) = cluster.client().unwrap().submit(submission(JOB, "the-key")).await.unwrap();
    assert_eq!((again.id.to_string(), replayed), (id, true));
    assert_conflict(&cluster.client().unwrap().submit(submission(OTHER, "the-key")).await.unwrap_err());
}

fn assert_conflict(error: &ClientError) {
    assert!(matches!(error, ClientError::Problem(problem) if problem.status == 409), "{error:?}");
}

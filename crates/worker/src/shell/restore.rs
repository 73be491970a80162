//! What an earlier start of this worker left: results that are owed, and attempts that are lost.

use std::sync::Arc;

use muster_wire::job::{Exit, ExitKind};
use muster_wire::rpc::worker::ReportShardResult;

use super::{Shell, remove_folder};
use crate::core::{Effect, Restored, state_of};
use crate::process::leftovers;
use crate::store::{At, Begun, Kept, Owed};

/// Kills what still runs, then owes the results of an earlier start. Before the worker takes calls.
pub(crate) async fn restore(shell: &Arc<Shell>) -> std::io::Result<()> {
    let killed = leftovers::kill_all(&shell.folders.jobs).await;
    let Kept { begun, owed } = shell.records.kept();
    let ran = begun.values().filter(|begun| !owed.contains_key(&begun.at()));
    let lost: Vec<Owed> = ran.map(|begun| shell.lost(begun)).collect();
    tracing::info!(killed, owed = owed.len(), lost = lost.len(), "took over from an earlier start");
    shell.write_down(begun.into_keys().collect(), lost.clone()).await;
    owed.into_values().chain(lost).for_each(|owed| shell.take_over(owed));
    Ok(())
}

impl Shell {
    fn lost(&self, begun: &Begun) -> Owed {
        let report = ReportShardResult {
            job: begun.job,
            token: begun.token,
            dispatch: begun.dispatch,
            worker: self.me.clone(),
            key: begun.key,
            exit: Exit::because(ExitKind::Lost, "the worker was restarted"),
            outputs: Default::default(),
            context: Default::default(),
            stats: Default::default(),
            started_at_ms: begun.started_at_ms,
            finished_at_ms: self.clock.unix_ms(),
            forwarded: false,
        };
        Owed { manager: Some(begun.manager.clone()), report }
    }

    /// A lost attempt is owed on disk before it is not begun any more. The folders of all are of no use.
    async fn write_down(&self, begun: Vec<At>, lost: Vec<Owed>) {
        let (records, jobs) = (self.records.clone(), self.folders.jobs.clone());
        let work = move || {
            let kept: std::io::Result<Vec<()>> = lost.into_iter().map(|owed| records.owe(owed)).collect();
            match kept {
                Ok(_) => begun.into_iter().for_each(|at| records.end(at)),
                Err(error) => tracing::error!(%error, "cannot keep the results of lost attempts on disk"),
            }
            let folders = std::fs::read_dir(&jobs).into_iter().flatten().flatten();
            folders.for_each(|folder| remove_folder(&folder.path()));
        };
        self.on_disk(work).await;
    }

    fn take_over(self: &Arc<Self>, owed: Owed) {
        let (at, report) = (owed.at(), &owed.report);
        let restored = Restored {
            job: at.job,
            token: report.token,
            manager: owed.manager.clone(),
            key: at.key,
            state: state_of(&report.exit),
        };
        self.engine().owed.insert(at, owed);
        self.decide(|core, now, out| {
            core.restore(restored, now);
            out.push(Effect::Wake(at.job));
        });
    }
}

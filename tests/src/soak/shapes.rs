//! Jobs of mixed shapes, each with the status that it has to end in.

use muster_wire::job::JobStatus;

/// One kind of job.
pub struct Shape {
    /// For people.
    pub name: &'static str,
    /// The job file without its notes.
    text: &'static str,
    /// How it ends when nobody interferes.
    pub ends: JobStatus,
    /// It is cancelled once it runs.
    pub cancelled: bool,
}

/// Notes the start and the end of an attempt; `@work@` stands for what it does between.
const SCRIPT: &str = r#"echo "start $MUSTER_JOB_ID $MUSTER_WORKFLOW $MUSTER_SHARD $MUSTER_ATTEMPT $MUSTER_FENCE" >> @notes@
@work@
echo "end $MUSTER_JOB_ID $MUSTER_WORKFLOW $MUSTER_SHARD $MUSTER_ATTEMPT $MUSTER_FENCE" >> @notes@"#;

/// Every shape, in the order of submission.
pub const SHAPES: &[Shape] = &[
    Shape {
        name: "single",
        text: "timeout = '20m'\n[[workflows]]\nname = 'one'\ncommand = [@sleep 1@]\n",
        ends: JobStatus::Completed,
        cancelled: false,
    },
    Shape {
        name: "fan-out",
        text: "timeout = '20m'\n[[workflows]]\nname = 'many'\nreplicas = 8\ncommand = [@sleep 1@]\n",
        ends: JobStatus::Completed,
        cancelled: false,
    },
    Shape {
        name: "diamond",
        text: "timeout = '20m'\n[[workflows]]\nname = 'top'\ncommand = [@sleep 0.5@]\n\
               [[workflows]]\nname = 'left'\ndepends_on = ['top']\nreplicas = 2\ncommand = [@sleep 1@]\n\
               [[workflows]]\nname = 'right'\ndepends_on = ['top']\ncommand = [@sleep 1@]\n\
               [[workflows]]\nname = 'bottom'\ndepends_on = ['left', 'right']\ncommand = [@true@]\n",
        ends: JobStatus::Completed,
        cancelled: false,
    },
    Shape {
        name: "gang",
        text: "timeout = '20m'\n[[workflows]]\nname = 'band'\ngang = true\nreplicas = 4\ncommand = [@sleep 1@]\n",
        ends: JobStatus::Completed,
        cancelled: false,
    },
    Shape {
        name: "failing",
        text: "timeout = '20m'\n[[workflows]]\nname = 'bad'\nretries = 1\nbackoff = '200ms'\ncommand = [@exit 3@]\n\
               [[workflows]]\nname = 'never'\ndepends_on = ['bad']\ncommand = [@true@]\n",
        ends: JobStatus::Failed,
        cancelled: false,
    },
    Shape {
        name: "partial",
        text: "timeout = '20m'\non_workflow_failure = 'continue'\n\
               [[workflows]]\nname = 'bad'\ncommand = [@exit 3@]\n\
               [[workflows]]\nname = 'good'\nreplicas = 2\ncommand = [@sleep 1@]\n",
        ends: JobStatus::Partial,
        cancelled: false,
    },
    Shape {
        name: "too slow",
        text: "timeout = '20m'\n[[workflows]]\nname = 'slow'\ntimeout = '1s'\ngrace = '200ms'\ncommand = [@sleep 600@]\n",
        ends: JobStatus::Failed,
        cancelled: false,
    },
    Shape {
        name: "late",
        text: "timeout = '6s'\n[[workflows]]\nname = 'late'\ngrace = '200ms'\ncommand = [@sleep 600@]\n",
        ends: JobStatus::TimedOut,
        cancelled: false,
    },
    Shape {
        name: "cancelled",
        text: "timeout = '20m'\n[[workflows]]\nname = 'long'\nreplicas = 2\ngrace = '200ms'\ncommand = [@sleep 600@]\n",
        ends: JobStatus::Cancelled,
        cancelled: true,
    },
];

impl Shape {
    /// The job file of the `number`th job, that notes what it does in `notes`.
    pub fn file(&self, number: usize, notes: &str) -> String {
        let mut text = format!("name = 'soak-{number}'\nretention = '10m'\n");
        for (at, piece) in self.text.split('@').enumerate() {
            match at % 2 {
                0 => text.push_str(piece),
                _ => text.push_str(&command(piece, notes)),
            }
        }
        text
    }
}

/// The arguments of a command that does `work` between its notes.
fn command(work: &str, notes: &str) -> String {
    let script = SCRIPT.replace("@work@", work).replace("@notes@", notes);
    format!("'sh', '-c', '''{script}'''")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_a_valid_job() {
        for shape in SHAPES {
            let file = shape.file(1, "/tmp/notes");
            assert!(file.contains("MUSTER_FENCE") && !file.contains('@'), "{}: {file}", shape.name);
        }
    }
}

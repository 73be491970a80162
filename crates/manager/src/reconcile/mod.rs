//! One file a duty. Each compares the replicated state with what is done and takes the next idempotent step under the
//! job's token; before this node has committed its leadership of a job, only `leadership` acts for it.

mod adoption;
mod calls;
mod cancellation;
mod dispatch;
mod forget;
mod gang;
mod leadership;
mod members;
mod report;
mod reserve;
mod retention;
mod start;
mod status;
mod stop;
mod void;
mod workers;

use std::sync::Arc;

use muster_node::driver::{JobContext, Reconciler};

use crate::machine::{JobRecord, ManagerJob};
use crate::per_job::Forget;
use crate::shared::Shared;

/// One job at the start of a run.
type Job = JobContext<ManagerJob>;

/// The record, if this node acts for the job.
fn acting(job: &Job) -> Option<&JobRecord> {
    let leads = job.view.state.leader() == Some(&job.me);
    job.view.state.record().filter(|_| leads)
}

/// Every reconciler, and what they remember of jobs.
pub(crate) struct Reconcilers {
    /// For the driver.
    pub all: Vec<Arc<dyn Reconciler<ManagerJob>>>,
    /// Tidied now and then.
    pub memories: Vec<Arc<dyn Forget>>,
}

impl Reconcilers {
    /// One of each.
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let mut made = Self { all: Vec::new(), memories: Vec::new() };
        made.add(leadership::Leadership::new(shared));
        made.add(void::Void::new(shared));
        made.add(status::Status::new(shared));
        made.add(retention::Retention::new(shared));
        made.remember(adoption::Adoption::new(shared));
        made.remember(dispatch::Dispatch::new(shared));
        made.remember(start::Start::new(shared));
        made.remember(workers::Workers::new(shared));
        made.add(members::Members::new(shared));
        made.remember(cancellation::Cancellation::new(shared));
        made.add(stop::Stop::new(shared));
        made.remember(report::Report::new(shared));
        made
    }

    fn add(&mut self, reconciler: impl Reconciler<ManagerJob>) {
        self.all.push(Arc::new(reconciler));
    }

    fn remember(&mut self, reconciler: impl Reconciler<ManagerJob> + Forget) {
        let reconciler = Arc::new(reconciler);
        self.all.push(reconciler.clone());
        self.memories.push(reconciler);
    }
}

/// Declares a reconciler that is `Shared` and nothing else.
macro_rules! reconciler {
    ($(#[$doc:meta])* $name:ident, $label:literal) => {
        $(#[$doc])*
        pub(super) struct $name {
            shared: std::sync::Arc<crate::shared::Shared>,
        }

        impl $name {
            pub(super) fn new(shared: &std::sync::Arc<crate::shared::Shared>) -> Self {
                Self { shared: shared.clone() }
            }
        }

        impl muster_node::driver::Reconciler<crate::machine::ManagerJob> for $name {
            fn name(&self) -> &'static str {
                $label
            }

            fn reconcile<'a>(
                &'a self,
                job: &'a super::Job,
            ) -> futures_util::future::BoxFuture<'a, muster_node::driver::Next> {
                Box::pin(self.run(job))
            }
        }
    };
    ($(#[$doc:meta])* $name:ident, $label:literal, remembers $memory:ty) => {
        $(#[$doc])*
        pub(super) struct $name {
            shared: std::sync::Arc<crate::shared::Shared>,
            memory: crate::per_job::PerJob<$memory>,
        }

        impl $name {
            pub(super) fn new(shared: &std::sync::Arc<crate::shared::Shared>) -> Self {
                Self { shared: shared.clone(), memory: Default::default() }
            }
        }

        impl crate::per_job::Forget for $name {
            fn keep(&self, led: &imbl::OrdMap<muster_wire::JobId, u64>) {
                self.memory.keep(led);
            }
        }

        impl muster_node::driver::Reconciler<crate::machine::ManagerJob> for $name {
            fn name(&self) -> &'static str {
                $label
            }

            fn reconcile<'a>(
                &'a self,
                job: &'a super::Job,
            ) -> futures_util::future::BoxFuture<'a, muster_node::driver::Next> {
                Box::pin(self.run(job))
            }
        }
    };
}
use reconciler;

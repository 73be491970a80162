//! Numbers over time.

use muster_wire::api::StatsWindowView;
use muster_wire::stats::StatsWindow;

use super::time;
use crate::machine::GateJob;

/// One window.
pub fn window(job: &GateJob, window: &StatsWindow) -> StatsWindowView {
    let name = job.spec().and_then(|spec| spec.workflow(window.workflow)).map(|spec| spec.name.clone());
    StatsWindowView::new(window, name.unwrap_or_default(), time(window.start_ms))
}

//! Logs and metrics of the process. Both are installed once; several nodes of one process share them.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use muster_runtime::{TaskKind, TaskScope};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{LogFormat, TelemetrySection};

const UPKEEP: TaskKind = TaskKind::new("metrics_upkeep");
/// Samples of histograms are folded into their buckets this often, so that they do not pile up unscraped.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// openraft tells every vote at `info`, and every try to reach a lost member, for each group, at `warn`: thousands of
/// lines for one dead node, of which the links and the failure detector tell once.
const QUIET: &str = "openraft=error";
/// Buckets of every histogram named `…_seconds`.
const SECONDS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

static METRICS: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// A log filter that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("telemetry.log: `{filter}` is not a log filter: {why}")]
pub struct FilterError {
    /// What was given.
    pub filter: String,
    /// What is wrong with it.
    pub why: String,
}

/// Installs the log writer (to stderr); the first call in a process wins.
pub fn init(section: &TelemetrySection) -> Result<(), FilterError> {
    let filter = filter(&section.log)?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = match section.log_format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(error) = installed {
        tracing::debug!(%error, "the log writer was installed before");
    }
    Ok(())
}

/// What is asked for, with openraft kept quiet unless it is named.
fn filter(text: &str) -> Result<EnvFilter, FilterError> {
    let text = match text.contains("openraft") {
        true => text.to_owned(),
        false => format!("{QUIET},{text}"),
    };
    EnvFilter::try_new(&text).map_err(|error| FilterError { filter: text, why: error.to_string() })
}

/// Installs the metrics recorder if this is the first call in the process, and keeps its samples folded.
pub fn start_metrics(scope: &TaskScope) {
    let Some(handle) = METRICS.get_or_init(install) else { return };
    scope.spawn_until_stop(UPKEEP, async move {
        loop {
            tokio::time::sleep(UPKEEP_EVERY).await;
            handle.run_upkeep();
        }
    });
}

fn install() -> Option<PrometheusHandle> {
    let builder =
        PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS);
    match builder.and_then(PrometheusBuilder::install_recorder) {
        Ok(handle) => {
            muster_runtime::meter::recorder_installed();
            Some(handle)
        }
        Err(error) => {
            tracing::error!(%error, "no metrics: the recorder cannot be installed");
            None
        }
    }
}

/// Every metric of the process as Prometheus text; empty before [`start_metrics`].
pub fn render_metrics() -> String {
    crate::process_metrics::record();
    METRICS.get().and_then(Option::as_ref).map(PrometheusHandle::render).unwrap_or_default()
}

//! JSON documents of the HTTP API, as servers write and clients read them. Times are RFC 3339 UTC strings, ids are
//! strings, fields that do not apply are left out. Readers ignore fields that they do not know.
//!
//! | document | of |
//! |---|---|
//! | [`Problem`] | every error |
//! | [`Submitted`], [`DryRun`] | `POST /v1/jobs` |
//! | [`JobList`] | `GET /v1/jobs` |
//! | [`JobView`], [`Explanation`], [`JobEvent`], [`JobResults`], [`Cancelled`] | `/v1/jobs/{id}…` |
//! | [`CallbackRequest`], [`CallbackView`], [`CallbackDelivery`] | webhooks |
//! | [`ContextView`], [`ContextEntry`], [`ContextWritten`] | `/v1/jobs/{id}/context…` |
//! | [`Page`] of [`StatsWindowView`] | `GET /v1/jobs/{id}/stats` |
//! | [`Page`] of [`DatacenterView`], [`MemberView`], [`GroupView`], [`WorkerView`] | lists |
//! | [`NodeView`], [`Health`] | one node |
//! | [`TransferRequest`], [`GroupAsked`], [`DrainView`] | what operators ask of nodes |

mod callback;
mod cluster;
mod event;
mod node;
mod operate;
mod problem;
mod results;
mod stats;
mod submit;
mod view;

pub use callback::{
    CallbackDelivery, CallbackRemoval, CallbackRequest, CallbackState, CallbackView, SIGNATURE,
};
pub use cluster::{
    Cores, DatacenterHealth, DatacenterView, GroupView, MemberEvent, MemberView, PlacedWorkerView,
    ReplicaView, WorkerView,
};
pub use event::{EventKind, JobEvent};
pub use node::{CapacityHealth, GroupCounts, Health, NodeView, RaftHealth, SchedulerHealth, WorkerHealth};
pub use operate::{DrainView, GroupAsked, SwimProfile, SwimProfileView, TransferRequest};
pub use problem::{
    API_HEADER, API_VERSION, FieldFault, IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, KEY_BYTES_MAX, PAGE_MAX,
    PROBLEM_JSON, Problem,
};
pub use results::{DatacenterResults, JobResults, ShardResultView, WorkflowResults};
pub use stats::{ContextEntry, ContextView, ContextWritten, CounterView, DistributionView, StatsWindowView};
pub use submit::{
    CancelRequest, Cancelled, DryRun, JobItem, JobList, Page, Placement, PlacementRole, Submitted,
};
pub use view::{DatacenterPart, Explanation, JobView, Resolution, Wait, WorkflowView};

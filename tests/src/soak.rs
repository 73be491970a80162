//! Long runs of a cluster of processes under faults, that end with a list of what was held.

pub mod chaos;
pub mod gate;
mod hook;
pub mod manager;
pub mod notes;
pub mod shapes;
mod story;

/// Runs the named soak; `seconds` of faults, so many `jobs`.
pub async fn run(name: &str, plan: manager::Plan) -> anyhow::Result<()> {
    match name {
        "gate" => gate::run(gate::Plan::lasting(plan.seconds)).await,
        "manager" => {
            let found = manager::run(plan).await?;
            println!("{found}");
            found.ensure_held()
        }
        other => anyhow::bail!("unknown soak `{other}`; known: gate, manager"),
    }
}

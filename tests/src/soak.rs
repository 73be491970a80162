//! Long runs of a cluster of processes under faults, that end with a list of what was held.

pub mod chaos;
pub mod manager;
pub mod notes;
pub mod shapes;

/// Runs the named soak; `seconds` of faults, so many `jobs`.
pub async fn run(name: &str, plan: manager::Plan) -> anyhow::Result<()> {
    anyhow::ensure!(name == "manager", "unknown soak `{name}`; known: manager");
    let found = manager::run(plan).await?;
    println!("{found}");
    found.ensure_held()
}

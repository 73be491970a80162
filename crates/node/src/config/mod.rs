//! The configuration of a node: a TOML file, overridden by the environment, overridden by flags.
//!
//! ```text
//!   file ─▶ MUSTER_SECTION_KEY ─▶ --section.key, --set section.key=value ─▶ reader ─▶ sections ─▶ relations ─▶ Config
//! ```
//! Every fault is reported at once; unknown keys are faults.

mod effective;
mod flags;
mod keys;
mod reader;
mod relations;
mod sections;
mod value;

use std::path::PathBuf;

use muster_wire::Role;

pub use flags::{Flags, command};
pub use keys::{KEYS, Key, KeyKind};
pub use reader::{Fault, Faults};
pub use sections::{
    AdvertiseSection, ClusterSection, GateSection, GroupsSection, LimitsSection, ListenSection, LogFormat,
    NodeSection, RaftSection, SecuritySection, TelemetrySection, WalSection, WorkerSection,
};
pub use value::{ByteSize, HostPort, parse_duration, parse_size};

use reader::Reader;

/// A configuration that was found to be without fault.
#[derive(Clone, Debug)]
pub struct Config {
    /// What this process is.
    pub role: Role,
    /// Who it is.
    pub node: NodeSection,
    /// Where it listens.
    pub listen: ListenSection,
    /// Where others find it.
    pub advertise: AdvertiseSection,
    /// Its cluster.
    pub cluster: ClusterSection,
    /// Gates only.
    pub gate: GateSection,
    /// Replication.
    pub raft: RaftSection,
    /// Groups.
    pub groups: GroupsSection,
    /// The write-ahead log.
    pub wal: WalSection,
    /// Workers only.
    pub worker: WorkerSection,
    /// Who may talk to it.
    pub security: SecuritySection,
    /// Bounds.
    pub limits: LimitsSection,
    /// Logs.
    pub telemetry: TelemetrySection,
}

/// Where the values of a configuration come from; later ones override.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The TOML file.
    pub file: Option<PathBuf>,
    /// TOML text in place of a file; for embedded nodes.
    pub text: Option<String>,
    /// Environment variables; those that are no keys are ignored.
    pub environment: Vec<(String, String)>,
    /// `section.key` and value.
    pub settings: Vec<(String, String)>,
}

impl Config {
    /// Reads a configuration; every fault at once. Reads the file, blocking.
    pub fn load(role: Role, sources: &Sources) -> Result<Self, Faults> {
        let mut reader = gather(sources);
        let config = Self::read(role, &mut reader);
        relations::check(&config, &mut reader);
        match reader.faults() {
            faults if faults.is_empty() => Ok(config),
            faults => Err(Faults(faults)),
        }
    }

    fn read(role: Role, reader: &mut Reader) -> Self {
        Self {
            role,
            node: NodeSection::read(reader),
            listen: ListenSection::read(reader),
            advertise: AdvertiseSection::read(reader),
            cluster: ClusterSection::read(reader),
            gate: GateSection::read(reader),
            raft: RaftSection::read(reader),
            groups: GroupsSection::read(reader),
            wal: WalSection::read(reader),
            worker: WorkerSection::read(reader),
            security: SecuritySection::read(reader),
            limits: LimitsSection::read(reader),
            telemetry: TelemetrySection::read(reader),
        }
    }

    /// The configuration in effect as JSON, secrets masked.
    pub fn document(&self) -> serde_json::Value {
        effective::document(self)
    }

    /// Swim addresses to join through: `cluster.join`, then the other initial members.
    pub fn seeds(&self) -> Vec<String> {
        let others = self.cluster.initial_members.iter().filter(|member| member.name != self.node.name);
        self.cluster.join.iter().cloned().chain(others.map(|member| member.swim.clone())).collect()
    }
}

/// Every layer, later ones over earlier ones.
fn gather(sources: &Sources) -> Reader {
    let mut reader = Reader::default();
    if let Some(path) = &sources.file {
        add_file(&mut reader, path);
    }
    reader.add_file("configuration", sources.text.as_deref().unwrap_or_default());
    reader.add_environment(&sources.environment);
    sources.settings.iter().for_each(|(path, text)| reader.add_setting(path, text));
    reader
}

fn add_file(reader: &mut Reader, path: &std::path::Path) {
    match std::fs::read_to_string(path) {
        Ok(text) => reader.add_file(&path.display().to_string(), &text),
        Err(error) => reader.fault(path.display().to_string(), error.to_string()),
    }
}

#[cfg(test)]
mod config_test;

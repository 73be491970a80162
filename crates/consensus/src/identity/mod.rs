//! Who this node is: its data directory's `identity` file and `LOCK`.
//!
//! ```text
//!   open ── LOCK ── read identity (or make the node id) ── raise the generation ── write, fsync ──▶ Identity
//!   promise, joined, saw_generations ── each rewrites the file: temp, fsync, rename, fsync the directory
//! ```

mod file;
mod record;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use muster_wire::rpc::cluster::FoundingMember;
use muster_wire::{ClusterId, Generation, MemberNumber, NodeId, Role};

pub use record::FoundingPromise;
use record::Record;

/// The write-ahead log's folder inside the data directory.
pub const WAL_DIR: &str = "wal";
/// Members whose highest generation is kept.
pub const SEEN_MAX: usize = 1024;

/// Why the data directory's identity cannot be used. None is cured by trying again.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Another process uses the directory.
    #[error("the data directory {} is in use by another process", .dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// Not readable or not writable.
    #[error("the data directory's file {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// The file is damaged or of a version that this build does not know.
    #[error("{} is not a usable identity: {why}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The directory is that of a member, but its log is gone: it must never serve under its old number.
    #[error(
        "the data directory {} belongs to member {member} but its write-ahead log is missing, so it counts as wiped: \
         empty the directory, run `muster node remove {name}` and start again",
        .dir.display()
    )]
    WalMissing {
        /// The directory.
        dir: PathBuf,
        /// The number that it had.
        member: MemberNumber,
        /// Its name.
        name: String,
    },
    /// The directory was made for another role.
    #[error("the data directory {} belongs to a {was}, not to a {is}", .dir.display(), was = .was.name(), is = .is.name())]
    RoleChanged {
        /// The directory.
        dir: PathBuf,
        /// Its role.
        was: Role,
        /// The role now asked for.
        is: Role,
    },
    /// The directory is that of a member with another name.
    #[error("the data directory {} belongs to member `{was}`, not to `{is}`: check `node.name`", .dir.display())]
    NameChanged {
        /// The directory.
        dir: PathBuf,
        /// Its member's name.
        was: String,
        /// The name now asked for.
        is: String,
    },
}

/// Who this node is. Clones share the file and the lock on the directory, which ends with the last clone. Methods that
/// write block on fsync.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The node's own id, made once.
    pub node: NodeId,
    /// This process start.
    pub generation: Generation,
    /// Its cluster, once it has one.
    pub cluster: Option<ClusterId>,
    /// Its number there; 0 = none yet.
    pub member: MemberNumber,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    record: Mutex<Record>,
    /// Held while the file is written, so that readers of `record` never wait for a disk.
    writing: Mutex<()>,
    _lock: File,
}

/// Opens a data directory: locks it, makes the node id the first time, and durably raises the generation.
pub fn open(data_dir: &Path, name: &str, role: Role) -> Result<Identity, IdentityError> {
    let lock = file::lock(data_dir)?;
    let mut record = match file::read(data_dir)? {
        Some(record) => check(data_dir, record, (name, role))?,
        None => Record::new(name, role),
    };
    record.generation = record.generation.next();
    file::write(data_dir, &record)?;
    Ok(Identity::of(data_dir, record, lock))
}

fn check(dir: &Path, mut record: Record, (name, role): (&str, Role)) -> Result<Record, IdentityError> {
    if record.role != role {
        return Err(IdentityError::RoleChanged { dir: dir.into(), was: record.role, is: role });
    }
    if record.member != MemberNumber(0) {
        check_member(dir, &record, name)?;
    }
    record.name = name.into();
    Ok(record)
}

/// What has a number has a name for good, and a log.
fn check_member(dir: &Path, record: &Record, name: &str) -> Result<(), IdentityError> {
    let (dir, was) = (dir.to_path_buf(), record.name.clone());
    match (was == name, file::is_filled(&dir.join(WAL_DIR))) {
        (true, true) => Ok(()),
        (false, _) => Err(IdentityError::NameChanged { dir, was, is: name.into() }),
        (true, false) => Err(IdentityError::WalMissing { dir, member: record.member, name: was }),
    }
}

impl Identity {
    fn of(dir: &Path, record: Record, lock: File) -> Self {
        let (node, generation, cluster, member) =
            (record.node, record.generation, record.cluster, record.member);
        let shared =
            Shared { dir: dir.into(), record: Mutex::new(record), writing: Mutex::new(()), _lock: lock };
        let shared = Arc::new(shared);
        Self { node, generation, cluster, member, shared }
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// The configured name.
    pub fn name(&self) -> String {
        self.shared.lock().name.clone()
    }

    /// The role that the data directory belongs to.
    pub fn role(&self) -> Role {
        self.shared.lock().role
    }

    /// Cluster and number as last written by any clone.
    pub fn membership(&self) -> Option<(ClusterId, MemberNumber)> {
        let record = self.shared.lock();
        record.cluster.map(|cluster| (cluster, record.member))
    }

    /// This node made the cluster id: it initialises the directory if that is still empty.
    pub fn is_founder(&self) -> bool {
        self.shared.lock().founder
    }

    /// What was promised, until the cluster is known.
    pub fn promised(&self) -> Option<FoundingPromise> {
        self.shared.lock().promise.clone()
    }

    /// The members that were known when this node became one, by number.
    pub fn members(&self) -> Vec<FoundingMember> {
        self.shared.lock().members.clone()
    }

    /// Highest generation seen of each member, as far as it was written.
    pub fn seen(&self) -> BTreeMap<MemberNumber, Generation> {
        self.shared.lock().seen.clone()
    }

    /// Durably promises to be part of a cluster of exactly these members. Blocks.
    pub fn promise(&self, promise: FoundingPromise) -> Result<(), IdentityError> {
        self.shared.change(|record| record.promise = Some(promise))
    }

    /// Durably becomes a member. Blocks.
    pub fn joined(&mut self, joined: Joining) -> Result<(), IdentityError> {
        let (cluster, member) = (joined.cluster, joined.member);
        self.shared.change(|record| record.join(joined))?;
        (self.cluster, self.member) = (Some(cluster), member);
        Ok(())
    }

    /// Durably keeps the highest generation seen of each member; those known to be higher stay. At most
    /// [`SEEN_MAX`] members. Blocks.
    pub fn saw_generations(&self, seen: &BTreeMap<MemberNumber, Generation>) -> Result<(), IdentityError> {
        self.shared.change(|record| record.see(seen))
    }

    /// [`Identity::saw_generations`] for one member. Blocks.
    pub fn saw_generation(&self, member: MemberNumber, generation: Generation) -> Result<(), IdentityError> {
        self.saw_generations(&BTreeMap::from([(member, generation)]))
    }
}

/// What a node becomes part of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Joining {
    /// The cluster.
    pub cluster: ClusterId,
    /// This node's number.
    pub member: MemberNumber,
    /// The members known, by number.
    pub members: Vec<FoundingMember>,
    /// This node made the cluster id.
    pub founder: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The change stands in memory only once it stands on disk.
    fn change(&self, change: impl FnOnce(&mut Record)) -> Result<(), IdentityError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.lock().clone();
        let mut changed = known.clone();
        change(&mut changed);
        if changed != known {
            file::write(&self.dir, &changed)?;
            *self.lock() = changed;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "identity_test.rs"]
mod identity_test;

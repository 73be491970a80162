//! Where the workspace's sources are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The workspace's root: the parent of this package's folder, or the current folder outside cargo.
pub(crate) fn workspace_root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let root = manifest.as_deref().and_then(Path::parent).map(Path::to_path_buf);
    root.unwrap_or_else(|| PathBuf::from("."))
}

/// Every `.rs` file at or below `path`, in order, without build output and hidden folders.
pub(crate) fn rust_files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut pending = vec![path.to_path_buf()];
    let mut files = Vec::new();
    while let Some(next) = pending.pop() {
        if next.is_dir() {
            pending.extend(visible_entries(&next)?);
        } else {
            files.push(next);
        }
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files.sort();
    Ok(files)
}

/// The folders directly in `path`, in order.
pub(crate) fn folders_in(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = visible_entries(path)?;
    folders.retain(|entry| entry.is_dir());
    folders.sort();
    Ok(folders)
}

/// The text of one source file.
pub(crate) fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The path as it stands in messages: relative to the workspace where it can be.
pub(crate) fn shown(file: &Path) -> String {
    file.strip_prefix(workspace_root()).unwrap_or(file).display().to_string()
}

fn visible_entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    Ok(paths.into_iter().filter(|path| !is_skipped(path)).collect())
}

fn is_skipped(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name == "target" || name.starts_with('.')
}

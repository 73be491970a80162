//! What a crash left behind the last whole batch is kept for an operator, but not for ever.

use crate::{
    disk::Disk,
    fault::{During, Fault},
    format::{is_torn, segment_name, torn_name},
    recovery::Replay,
};

/// At most so many bytes of a torn tail are kept.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// What may be a left-over of the file's earlier life is kept up to this length only.
const LEFT_OVER_BYTES_MAX: usize = 64 << 10;
/// So many of the newest torn tails and damaged segments are kept.
const KEPT_FILES_MAX: usize = 8;

/// Keeps the bytes behind the last batch of the last segment, if any can be of an unfinished batch. They stay in the
/// segment too: the next segment's header says where this one ends.
pub(crate) fn keep(disk: &dyn Disk, replay: &Replay) -> Result<(), Fault> {
    let Some(last) = replay.segments.last() else { return Ok(()) };
    let certain = last.began || !last.recycled;
    let most = match (certain, replay.is_sealed) {
        (true, _) => KEPT_BYTES_MAX,
        (false, false) => LEFT_OVER_BYTES_MAX,
        (false, true) => return Ok(()),
    };
    let mut rest = disk.read_at(&segment_name(last.segment), last.end, most).during("read a torn tail")?;
    let Some(end) = rest.iter().rposition(|byte| *byte != 0) else { return Ok(()) };
    rest.truncate(end + 1);
    tracing::warn!(
        segment = last.segment,
        offset = last.end,
        bytes = rest.len(),
        certain,
        "the log ended in what may be an unfinished batch; its bytes are kept"
    );
    let mut torn = disk.create(&torn_name(last.segment, last.end)).during("keep a torn tail")?;
    torn.write_at(0, &rest).during("keep a torn tail")?;
    torn.sync().during("keep a torn tail")?;
    drop_oldest(disk)?;
    disk.sync_dir().during("keep a torn tail")
}

/// Names sort by the number of their segment.
fn drop_oldest(disk: &dyn Disk) -> Result<(), Fault> {
    let mut names: Vec<String> = disk.list().during("list the log directory")?;
    names.retain(|name| is_torn(name));
    names.sort_unstable();
    let surplus = names.len().saturating_sub(KEPT_FILES_MAX);
    for name in &names[..surplus] {
        tracing::warn!(name, "the oldest of too many kept torn tails and damaged segments is deleted");
        disk.remove(name).during("delete a torn tail")?;
    }
    Ok(())
}

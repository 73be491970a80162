//! The memory of every program that holds nodes: it stays flat while groups come and go, and what is free goes back to
//! the system (`docs/decisions/045`).

use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::OnceLock;

use libmimalloc_sys::{
    mi_arena_id_t, mi_collect, mi_heap_collect, mi_heap_new, mi_heap_new_in_arena, mi_heap_set_default,
    mi_heap_t, mi_option_set, mi_option_t, mi_reserve_os_memory_ex,
};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_abandoned_page_purge` of mimalloc 2, which its Rust declarations leave out.
const ABANDONED_PAGE_PURGE: mi_option_t = 12;

/// From now on what a thread leaves behind that ends goes back to the system; the log is read by such a thread at the start.
#[allow(unsafe_code, reason = "the allocator's settings have no other interface")]
pub fn give_back_after_threads() {
    // SAFETY: mimalloc reads and writes its table of numbers, at any time and from any thread.
    unsafe { mi_option_set(ABANDONED_PAGE_PURGE, 1) }
}

thread_local! {
    /// This thread's heap for what lives long; the allocator ends it with the thread.
    static LASTING: Cell<*mut mi_heap_t> = const { Cell::new(null_mut()) };
}

/// What `make` allocates stands apart from everything else, in pages of its own. For the little that is kept of each
/// group: between the many blocks of groups that are awake it would hold their pages when they rest.
pub fn lasting<T>(make: impl FnOnce() -> T) -> T {
    let _apart = Apart::begin();
    make()
}

/// Address space for what lives long, bytes: far more than a node with all its groups can need. Memory is taken as it is
/// used.
const LASTING_BYTES: usize = 16 << 30;

/// A heap of this thread whose blocks share no segment with others: each segment that is held costs 48 KiB. Where so much
/// address space is not to be had, they share segments.
#[allow(unsafe_code, reason = "the allocator's heaps have no other interface")]
fn new_heap() -> *mut mi_heap_t {
    static ARENA: OnceLock<Option<mi_arena_id_t>> = OnceLock::new();
    match *ARENA.get_or_init(reserved) {
        // SAFETY: an arena that was reserved, and a heap of this thread, which no other uses.
        Some(arena) => unsafe { mi_heap_new_in_arena(arena) },
        // SAFETY: as above, without an arena.
        None => unsafe { mi_heap_new() },
    }
}

#[allow(unsafe_code, reason = "the allocator's heaps have no other interface")]
fn reserved() -> Option<mi_arena_id_t> {
    let mut arena = 0;
    // SAFETY: mimalloc writes the number of the arena to where this points, and keeps no pointer to it.
    let failed = unsafe { mi_reserve_os_memory_ex(LASTING_BYTES, false, false, true, &raw mut arena) };
    (failed == 0).then_some(arena)
}

/// Gives back what is free of this thread's memory. The allocator would look for it only while it is used, and for pages that
/// other threads have emptied only when it needs blocks of their size: a node at rest would keep what a burst took. To do it
/// thoroughly takes ten times as long: milliseconds on a node with thousands of groups in memory.
#[allow(unsafe_code, reason = "the allocator's heaps have no other interface")]
pub fn collect(thoroughly: bool) {
    // SAFETY: it works on this thread's default heap, and is not called by the allocator itself.
    unsafe { mi_collect(thoroughly) }
    let heap = LASTING.get();
    if !heap.is_null() {
        // SAFETY: a heap of this thread, which is never deleted.
        unsafe { mi_heap_collect(heap, thoroughly) }
    }
}

/// The thread allocates from its heap for what lives long until this is dropped.
struct Apart {
    before: *mut mi_heap_t,
}

impl Apart {
    fn begin() -> Self {
        if LASTING.get().is_null() {
            LASTING.set(new_heap());
        }
        Self { before: allocate_from(LASTING.get()) }
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        allocate_from(self.before);
    }
}

/// Gives back the heap that this thread allocated from before.
#[allow(unsafe_code, reason = "the allocator's heaps have no other interface")]
fn allocate_from(heap: *mut mi_heap_t) -> *mut mi_heap_t {
    // SAFETY: both of `Apart`, which is not `Send`, are this thread's: its default, and the one that `new_heap` made for it.
    // Neither is ever deleted, and blocks of both are freed like all others. A null pointer changes nothing.
    unsafe { mi_heap_set_default(heap) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(unsafe_code, reason = "the allocator's settings have no other interface")]
    fn get(option: mi_option_t) -> i64 {
        // SAFETY: as in `set`.
        unsafe { libmimalloc_sys::mi_option_get(option) }
    }

    /// Blocks that last stand in another part of the address space than those beside them.
    #[test]
    fn what_lasts_stands_apart() {
        let beside = Box::new([0_u8; 200]);
        let (one, other) = lasting(|| (Box::new([1_u8; 200]), Box::new([2_u8; 200])));
        let after = Box::new([0_u8; 200]);
        let segment = |block: &[u8; 200]| block.as_ptr().addr() >> 25;
        assert_eq!(segment(&one), segment(&other));
        assert_ne!(segment(&one), segment(&beside));
        assert_eq!(segment(&after), segment(&beside), "the thread goes on where it was");
    }

    /// Blocks are freed as all others, whichever thread does, and their thread may be gone.
    #[test]
    fn what_lasts_outlives_its_thread() {
        let text = std::thread::spawn(|| lasting(|| "as it was".repeat(1000))).join().unwrap();
        collect(true);
        assert_eq!(text, "as it was".repeat(1000));
    }

    /// mimalloc's own default, and that of its purge delay three options on, tell that the number still names this one.
    #[test]
    fn what_ended_threads_leave_goes_back() {
        assert_eq!((get(ABANDONED_PAGE_PURGE), get(ABANDONED_PAGE_PURGE + 3)), (0, 10));
        give_back_after_threads();
        assert_eq!(get(ABANDONED_PAGE_PURGE), 1);
    }
}

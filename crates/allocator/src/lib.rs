//! The memory of every program that holds nodes: it stays flat while groups come and go, and what is free goes back to
//! the system (`docs/decisions/045`).

use libmimalloc_sys::{mi_option_set, mi_option_t};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_abandoned_page_purge` and `mi_option_purge_delay` of mimalloc 2, which its Rust declarations leave out.
const ABANDONED_PAGE_PURGE: mi_option_t = 12;
const PURGE_DELAY: mi_option_t = 15;

/// From now on pages go back to the system as soon as nothing is left in them. mimalloc would wait for its next chance, and
/// a node at rest has none: what a start or a burst took would stay.
pub fn give_back_at_once() {
    set(PURGE_DELAY, 0);
    set(ABANDONED_PAGE_PURGE, 1);
}

#[allow(unsafe_code, reason = "the allocator's settings have no other interface")]
fn set(option: mi_option_t, value: std::ffi::c_long) {
    // SAFETY: mimalloc reads and writes its table of numbers, at any time and from any thread.
    unsafe { mi_option_set(option, value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(unsafe_code, reason = "the allocator's settings have no other interface")]
    fn get(option: mi_option_t) -> i64 {
        // SAFETY: as in `set`.
        unsafe { libmimalloc_sys::mi_option_get(option) }
    }

    /// mimalloc's own defaults tell that the numbers still name these options.
    #[test]
    fn free_pages_go_back_at_once() {
        assert_eq!((get(ABANDONED_PAGE_PURGE), get(PURGE_DELAY)), (0, 10));
        give_back_at_once();
        assert_eq!((get(ABANDONED_PAGE_PURGE), get(PURGE_DELAY)), (1, 0));
    }
}

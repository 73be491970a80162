//! Memory that a burst took is given back after it.

use std::collections::VecDeque;

/// Below this nothing is given back.
const KEPT: usize = 64;

/// Gives back what the queue has not needed for long: it is used to less than an eighth.
pub(crate) fn give_back<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() > KEPT && queue.len() < queue.capacity() / 8 {
        queue.shrink_to(2 * queue.len());
    }
}

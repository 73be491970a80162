//! Which worker gets which shard. Pure: emptiest worker first, within constraints.

use std::collections::BTreeMap;

use muster_wire::{NodeId, NodeRef};

use crate::seats::Seat;

/// A worker that may be asked, and how many of its cores are believed to be free.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Place {
    /// Who.
    pub node: NodeRef,
    /// Believed free.
    pub free: u32,
}

/// The places for a workflow with these constraints.
pub(crate) fn places(
    seats: &[Seat],
    constraints: &BTreeMap<String, String>,
    used: impl Fn(&NodeRef) -> u32,
) -> Vec<Place> {
    let fitting = seats.iter().filter(|seat| seat.is_open() && seat.matches(constraints));
    fitting
        .map(|seat| Place { node: seat.node.clone(), free: seat.cores.saturating_sub(used(&seat.node)) })
        .collect()
}

/// Takes `cores` from the emptiest place, from one to be avoided only when no other has room; `None`: none has room.
pub(crate) fn take(places: &mut [Place], cores: u32, avoid: Option<NodeId>) -> Option<NodeRef> {
    let roomy = places.iter_mut().filter(|place| place.free >= cores);
    let best = roomy.max_by_key(|place| (Some(place.node.id) != avoid, place.free))?;
    best.free -= cores;
    Some(best.node.clone())
}

/// A worker said how many cores it has free.
pub(crate) fn correct(places: &mut [Place], node: &NodeRef, free: u32) {
    for place in places.iter_mut().filter(|place| place.node == *node) {
        place.free = free;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::worker;

    fn two() -> Vec<Place> {
        vec![Place { node: worker(1), free: 2 }, Place { node: worker(2), free: 3 }]
    }

    #[test]
    fn the_emptiest_worker_is_taken_first_and_none_beyond_its_cores() {
        let mut places = two();
        let taken: Vec<_> = std::iter::from_fn(|| take(&mut places, 2, None)).collect();
        assert_eq!(taken, [worker(2), worker(1)]);
    }

    #[test]
    fn a_worker_that_says_it_is_full_is_not_asked_again() {
        let mut places = two();
        correct(&mut places, &worker(2), 0);
        assert_eq!(take(&mut places, 1, None), Some(worker(1)));
    }

    #[test]
    fn a_worker_to_be_avoided_is_taken_only_when_no_other_has_room() {
        let mut places = two();
        assert_eq!(take(&mut places, 2, Some(worker(2).id)), Some(worker(1)));
        assert_eq!(take(&mut places, 2, Some(worker(2).id)), Some(worker(2)));
    }
}

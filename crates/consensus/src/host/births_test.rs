use super::*;

fn births_of(pace: &mut Pace, ticks: usize, late: Duration) -> usize {
    (0..ticks)
        .map(|_| {
            pace.adapt(late);
            pace.births()
        })
        .sum()
}

#[test]
fn a_machine_with_time_gives_birth_at_once_and_ever_faster() {
    let mut pace = Pace::default();
    assert_eq!(pace.births(), 2);
    births_of(&mut pace, 1_000, Duration::ZERO);
    assert_eq!(births_of(&mut pace, 100, Duration::ZERO), 1_600);
}

#[test]
fn a_busy_machine_gives_birth_slowly_and_never_stops() {
    let mut pace = Pace::default();
    births_of(&mut pace, 10, LATE * 2);
    assert_eq!(births_of(&mut pace, 800, LATE * 2), 100);
}

#[test]
fn it_recovers_within_a_second() {
    let mut pace = Pace::default();
    births_of(&mut pace, 100, LATE * 2);
    assert!(births_of(&mut pace, 100, Duration::ZERO) > 40);
}

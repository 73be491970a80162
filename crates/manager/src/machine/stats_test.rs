use super::*;

fn total(sum: f64) -> StatTotal {
    StatTotal { count: 1, sum, min: sum, max: sum }
}

fn window(names: usize) -> Window {
    let counters = (0..names).map(|name| (format!("n{name}"), total(1.0))).collect();
    Window { counters, ..Window::default() }
}

fn row(source: u128, start_ms: u64, names: usize) -> WindowRow {
    WindowRow { workflow: WorkflowIx(0), source: NodeId(source), start_ms, window: window(names) }
}

#[test]
fn totals_are_added_by_name() {
    let mut sum = StatTotals::from([("rows".to_owned(), total(2.0))]);
    let more = StatTotals::from([("rows".to_owned(), total(5.0)), ("odd".to_owned(), total(f64::NAN))]);
    assert_eq!(add_totals(&mut sum, &more), 0);
    assert_eq!(
        sum,
        StatTotals::from([("rows".to_owned(), StatTotal { count: 2, sum: 7.0, min: 2.0, max: 5.0 })])
    );
}

#[test]
fn a_name_beyond_the_bound_is_counted_and_left_out() {
    let mut sum = window(STAT_NAMES_MAX).counters;
    assert_eq!(add_totals(&mut sum, &StatTotals::from([("zz".to_owned(), total(1.0))])), 1);
    assert_eq!(sum.len(), STAT_NAMES_MAX);
}

#[test]
fn beyond_the_bound_older_windows_become_wider_and_no_count_is_lost() {
    let mut stats = Stats::default();
    for second in 0..8_000 {
        assert!(stats.add(&row(1, second * 1_000, 16)));
    }
    let counted: u64 = stats.windows(WorkflowIx(0)).map(|(_, window)| window.counters["n0"].count).sum();
    assert_eq!(counted, 8_000);
    assert!(stats.bytes <= STATS_BYTES_MAX as u64);
    assert_eq!(stats.width_ms(7_999_000), WINDOW_MS);
    assert!(stats.width_ms(0) > stats.width_ms(6_000_000) || stats.width_ms(0) > WINDOW_MS);
    let starts: Vec<u64> = stats.windows(WorkflowIx(0)).map(|(start_ms, _)| start_ms).collect();
    assert!(starts.iter().all(|start_ms| start_ms % stats.width_ms(*start_ms) == 0));
}

#[test]
fn a_window_of_long_ago_goes_into_the_wider_one_that_is_there() {
    let mut stats = Stats::default();
    for second in 0..8_000 {
        assert!(stats.add(&row(1, second * 1_000, 16)));
    }
    let before = stats.windows(WorkflowIx(0)).count();
    assert!(stats.add(&row(2, 1_000, 16)));
    assert_eq!(stats.windows(WorkflowIx(0)).count(), before);
    let first = stats.windows(WorkflowIx(0)).next().map(|(_, window)| window.counters["n0"].count);
    assert_eq!(first, Some(stats.width_ms(0) / WINDOW_MS + 1));
}

#[test]
fn a_window_is_closed_once_by_each_source() {
    let mut stats = Stats::default();
    stats.add(&row(1, 2_000, 1));
    assert!(stats.is_closed(&row(1, 1_000, 1)));
    assert!(!stats.is_closed(&row(2, 1_000, 1)));
    assert!(!stats.is_closed(&row(1, 3_000, 1)));
}

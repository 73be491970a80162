//! Reads a node's Prometheus text.

/// The sum of all samples of a metric whose labels contain `labels`; 0 when there is none.
pub fn sum(text: &str, metric: &str, labels: &str) -> f64 {
    let samples = text.lines().filter(|line| is_sample(line, metric, labels));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

fn is_sample(line: &str, metric: &str, labels: &str) -> bool {
    let Some(rest) = line.strip_prefix(metric) else { return false };
    rest.starts_with(['{', ' ']) && rest.contains(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_by_metric_and_label() {
        let text = "# TYPE a counter\na{x=\"1\"} 2\na{x=\"2\"} 3\nab{x=\"1\"} 9\n";
        assert!((sum(text, "a", "") - 5.0).abs() < 1e-9);
        assert!((sum(text, "a", "x=\"1\"") - 2.0).abs() < 1e-9);
    }
}

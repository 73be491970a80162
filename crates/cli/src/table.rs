//! Tables for people: columns as wide as their widest cell.

/// Lays rows out under a header.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(visible(cell));
        }
    }
    let header: Vec<String> = header.iter().map(|cell| cell.to_uppercase()).collect();
    let lines = std::iter::once(&header).chain(rows).map(|row| line(row, &widths));
    lines.collect::<Vec<_>>().join("\n")
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells =
        row.iter().zip(widths).map(|(cell, width)| format!("{cell}{}", " ".repeat(width - visible(cell))));
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// Characters that take room: colour sequences do not.
fn visible(cell: &str) -> usize {
    let mut inside = false;
    let counts = cell.chars().filter(|c| {
        let shown = !inside && *c != '\x1b';
        inside = (inside || *c == '\x1b') && *c != 'm';
        shown
    });
    counts.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_colour() {
        let rows = vec![vec!["\x1b[32mok\x1b[0m".into(), "x".into()], vec!["longer".into(), "y".into()]];
        let text = table(&["a", "b"], &rows);
        assert_eq!(text, "A       B\n\x1b[32mok\x1b[0m      x\nlonger  y");
    }
}

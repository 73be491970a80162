//! Splits a stream of bytes into lines of bounded length.

/// The longest line kept; the rest of a longer one is cut off.
pub(crate) const LINE_BYTES_MAX: usize = 64 * 1024;

/// Appended to a line that was cut.
const CUT: &[u8] = b" [cut]";

/// Takes pieces, gives lines without their line end.
#[derive(Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
    cut: bool,
}

impl Lines {
    /// Gives each line that this piece completes to `take`.
    pub(crate) fn push(&mut self, piece: &[u8], take: &mut impl FnMut(&[u8])) {
        let mut parts = piece.split(|byte| *byte == b'\n');
        let Some(first) = parts.next() else { return };
        self.extend(first);
        for part in parts {
            self.finish(take);
            self.extend(part);
        }
    }

    /// Gives the last line if it had no line end.
    pub(crate) fn end(&mut self, take: &mut impl FnMut(&[u8])) {
        if !self.line.is_empty() {
            self.finish(take);
        }
    }

    fn extend(&mut self, part: &[u8]) {
        let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
        self.cut |= part.len() > room;
        self.line.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn finish(&mut self, take: &mut impl FnMut(&[u8])) {
        if self.cut {
            self.line.extend_from_slice(CUT);
        }
        take(self.line.strip_suffix(b"\r").unwrap_or(&self.line));
        self.line.clear();
        self.cut = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        let mut take = |line: &[u8]| out.push(line.to_vec());
        pieces.iter().for_each(|piece| lines.push(piece, &mut take));
        lines.end(&mut take);
        out
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        assert_eq!(lines_of(&[b"on", b"e\ntw", b"o\r\n\nlast"]), [&b"one"[..], b"two", b"", b"last"]);
        assert_eq!(lines_of(&[b"one\n"]), [b"one"]);
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_is_not() {
        let long = vec![b'x'; LINE_BYTES_MAX + 10];
        let lines = lines_of(&[&long, b"y\nshort\n"]);
        assert_eq!(lines[0].len(), LINE_BYTES_MAX + CUT.len());
        assert!(lines[0].ends_with(CUT));
        assert_eq!(lines[1], b"short");
    }
}

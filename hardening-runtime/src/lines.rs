//! The lines of a text, for messages that name a place in it.

/// Finds the line of an offset without reading the text again, however many places of it are named.
#[derive(Debug)]
pub(crate) struct Lines {
    /// The offset of every line break, ascending.
    breaks: Vec<usize>,
}

impl Lines {
    pub(crate) fn of(text: &str) -> Self {
        Self { breaks: text.match_indices('\n').map(|(at, _)| at).collect() }
    }

    /// The line of a byte of the text, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.breaks.partition_point(|at| *at < offset) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_ends_its_own_line() {
        let lines = Lines::of("a\n\nü\r\nb");
        let found: Vec<usize> = (0..8).map(|offset| lines.line(offset)).collect();
        assert_eq!(found, [1, 1, 2, 3, 3, 3, 3, 4]);
        assert_eq!(Lines::of("").line(0), 1);
    }
}

//! The lines of any file, in bounded memory: what is too long is skipped, not held.

use std::io::{self, BufRead};

/// Reads lines without their ends (`\n` or `\r\n`).
pub(super) struct Lines<R> {
    reader: R,
    longest: usize,
}

impl<R: BufRead> Lines<R> {
    /// Of a line longer than `longest` bytes, only one byte more than that is kept.
    pub(super) fn new(reader: R, longest: usize) -> Self {
        Self { reader, longest }
    }

    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut is_any = false;
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                return Ok(is_any.then_some(line));
            }
            is_any = true;
            let end = buffer.iter().position(|&byte| byte == b'\n');
            let piece = &buffer[..end.unwrap_or(buffer.len())];
            // Two bytes more than the longest line: one that tells, one that may be the `\r`.
            let room = (self.longest + 2).saturating_sub(line.len());
            line.extend_from_slice(&piece[..piece.len().min(room)]);
            let used = end.map_or(buffer.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                line.pop_if(|last| *last == b'\r');
                return Ok(Some(line));
            }
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    /// Small reads, so that lines cross them.
    fn lines(text: &[u8]) -> Vec<Vec<u8>> {
        let reader = BufReader::with_capacity(3, text);
        Lines::new(reader, 5).collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn lines_end_with_either_end_or_with_the_file() {
        assert_eq!(
            lines(b"one\ntwo\r\n\nfour"),
            [b"one".to_vec(), b"two".into(), b"".into(), b"four".into()]
        );
        assert_eq!(lines(b""), Vec::<Vec<u8>>::new());
        assert_eq!(lines(b"\n"), [b""]);
    }

    #[test]
    fn a_long_line_is_cut_but_known_to_be_long() {
        let lines = lines(b"12345\n12345\r\n123456\n1234567890123456789012345\nafter\n");
        assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 6, 7, 5]);
        assert_eq!(lines[4], b"after");
    }

    #[test]
    fn any_bytes_are_a_line() {
        assert_eq!(lines(b"\xff\0\r\n\rx"), [b"\xff\0".to_vec(), b"\rx".into()]);
    }
}

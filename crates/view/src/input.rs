//! Reads spans in the formats in which collectors and exporters write them.

mod json;
mod protobuf;

use std::io::{ErrorKind, Read};

use flate2::read::MultiGzDecoder;

use crate::{problem::Problem, spans::Spans};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

impl Spans {
    /// Reads OTLP to its end: JSON, one document a line or a single one, or protobuf, with a length
    /// before each message or without; each also compressed with gzip. `name` is what problems call
    /// the input.
    ///
    /// Never fails: what cannot be read is counted and becomes a [`Problem`], and so does an error of
    /// `input`. The spans before it are kept.
    ///
    /// Reads everything into memory.
    pub fn read(&mut self, name: &str, mut input: impl Read) {
        let mut bytes = Vec::new();
        if let Err(error) = input.read_to_end(&mut bytes) {
            self.problem(name, &format!("could not be read to its end: {error}"));
        }
        if bytes.starts_with(&GZIP) {
            let mut content = Vec::new();
            // What was unpacked before an error is kept.
            match MultiGzDecoder::new(&*bytes).read_to_end(&mut content) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    self.problem(name, "is cut off: the gzip data has no end");
                }
                Err(error) => self.problem(name, &format!("has broken gzip data: {error}")),
                Ok(_) => {}
            }
            bytes = content;
        }
        let before = self.len();
        let is_json = bytes.trim_ascii_start().first().is_some_and(|it| b"{[".contains(it));
        if bytes.starts_with(&ZSTD) {
            self.problem(name, "is compressed with zstd; unpack it first: zstd -d");
        } else if is_json || !protobuf::read(self, name, &bytes) {
            json::read(self, name, &bytes);
        }
        if self.len() == before {
            self.problem(name, "has no spans");
        }
    }

    fn problem(&mut self, name: &str, text: &str) {
        self.problems.push(Problem::new(format!("{name} {text}")));
    }
}

//! `--tee`: the document passes through while it is verified. Its end is held back until the
//! verification is done, so that nothing downstream can take a damaged document for whole.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use golden::cli::{Reporter, decompressed, open_raw};
use golden::settings::Settings;
use golden::{Context, Error, Result};

use crate::check::review;
use crate::cli::Cli;
use crate::quotes::Quotes;
use crate::report::{Outcome, Report};

/// How much white space may follow the last byte that is none. It must be held back too.
const MOST_WHITE_SPACE: usize = 16 << 20;

/// What is said where not the document fails but what it passes on to.
const CANNOT_WRITE: &str = "cannot write standard output";

pub fn run(cli: &Cli, file: &Path, reporter: &Reporter) -> Result<ExitCode> {
    let settings = Settings::load(cli.schema.as_deref())?;
    let criteria = cli.criteria(&settings);
    let raw = open_raw(file)?;
    let held_back = Arc::new(Mutex::new(Vec::new()));
    let tee = Tee { input: raw.reader, held_back: Arc::clone(&held_back), output: io::stdout() };
    // What passes are the bytes as they came: gzip stays gzip.
    let result = decompressed(Box::new(tee)).map_err(Error::from).and_then(|input| review(&criteria, input, reporter));
    match &result {
        Ok(review) if review.is_ok() => {
            let mut output = io::stdout();
            let held_back = held_back.lock().unwrap_or_else(PoisonError::into_inner);
            output.write_all(&held_back).and_then(|()| output.flush()).context(|| CANNOT_WRITE)?;
        }
        // The reader of our output is gone: there is nobody to report to.
        Err(error) if error.is_broken_pipe() => return result.map(|_| ExitCode::SUCCESS),
        _ => {}
    }
    Report::new(vec![Outcome::of(raw.name, result)], Quotes::under(&settings)).print(reporter)
}

/// Reads from `input` and writes what it read to `output`, except for what may be the end.
struct Tee<R, W> {
    input: R,
    /// The block with the last byte that is not white space, and what follows it.
    held_back: Arc<Mutex<Vec<u8>>>,
    output: W,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let block = &buffer[..read];
        let mut held_back = self.held_back.lock().unwrap_or_else(PoisonError::into_inner);
        if !block.trim_ascii().is_empty() {
            self.output.write_all(&held_back).context(|| CANNOT_WRITE)?;
            held_back.clear();
        } else if held_back.len() + block.len() > MOST_WHITE_SPACE {
            return Err(Error::data("the document ends in more than 16 MiB of white space").into());
        }
        held_back.extend_from_slice(block);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes `blocks` through; gives what came out and what was held back.
    fn pass(blocks: &[&str]) -> (String, String) {
        let held_back = Arc::new(Mutex::new(Vec::new()));
        let mut output = Vec::new();
        for block in blocks {
            let mut tee = Tee { input: block.as_bytes(), held_back: Arc::clone(&held_back), output: &mut output };
            assert_eq!(tee.read(&mut [0; 100]).unwrap(), block.len());
        }
        let held_back = held_back.lock().unwrap().clone();
        (String::from_utf8(output).unwrap(), String::from_utf8(held_back).unwrap())
    }

    #[test]
    fn the_last_block_with_content_is_held_back() {
        assert_eq!(pass(&["{}"]), (String::new(), "{}".into()));
        assert_eq!(pass(&["{", "}", "\n", " \n"]), ("{".into(), "}\n \n".into()));
        assert_eq!(pass(&["{", "  ", "}"]), ("{  ".into(), "}".into()));
    }
}

//! Files that are read: a path or `-`, gzip recognised by its magic bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::{Context, Error, Result};

/// What is read at a time: large enough that system calls do not count.
const BUFFER: usize = 256 * 1024;

/// An opened input and the name to use for it in messages.
pub struct Input {
    /// The bytes.
    pub reader: Box<dyn Read + Send>,
    /// The path, or `standard input`.
    pub name: String,
}

/// Opens a file, or standard input for `-`.
pub fn open_input(path: &Path) -> Result<Input> {
    let raw = open_raw(path)?;
    let reader = decompressed(raw.reader).context(|| format!("cannot read {}", raw.name))?;
    Ok(Input { reader, name: raw.name })
}

/// Opens a file, or standard input for `-`, and leaves the bytes as they are.
pub fn open_raw(path: &Path) -> Result<Input> {
    let (reader, name): (Box<dyn Read + Send>, _) = if path == Path::new("-") {
        (Box::new(io::stdin()), "standard input".to_owned())
    } else {
        let name = path.display().to_string();
        let file = File::open(path).context(|| format!("cannot open {name}"))?;
        if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(Error::environment(format!("{name} is a directory")));
        }
        (Box::new(file), name)
    };
    Ok(Input { reader, name })
}

/// The plain bytes of `raw`, whether it is gzip or not.
pub fn decompressed(raw: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let mut buffered = BufReader::with_capacity(BUFFER, raw);
    // A pipe may deliver less than two bytes at first; gzip's first byte decides then, and no JSON
    // text starts with it.
    let is_gzip = matches!(buffered.fill_buf()?, [0x1f] | [0x1f, 0x8b, ..]);
    if is_gzip { Ok(Box::new(GzipReader(MultiGzDecoder::new(buffered)))) } else { Ok(Box::new(buffered)) }
}

/// Damage inside a gzip stream is wrong data, not a failing disk.
struct GzipReader(MultiGzDecoder<BufReader<Box<dyn Read + Send>>>);

impl Read for GzipReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                Error::data(format!("the gzip data is damaged: {error}")).into()
            }
            _ => error,
        })
    }
}

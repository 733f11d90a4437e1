//! Files that are read: a path or `-`, gzip recognised by its magic bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use crate::section::Section;
use crate::{Context, Error, Result};

/// What is read at a time: large enough that system calls do not count.
const BUFFER: usize = 256 * 1024;

/// An opened input and the name to use for it in messages.
pub struct Input {
    /// The bytes.
    pub reader: Box<dyn Read + Send>,
    /// The path, or `standard input`.
    pub name: String,
    /// How many bytes there are to read, where that is known: of a file that is not compressed.
    pub length: Option<u64>,
}

/// Opens a file, or standard input for `-`.
pub fn open_input(path: &Path) -> Result<Input> {
    let raw = open_raw(path)?;
    let reader = decompressed(raw.reader).context(|| format!("cannot read {}", raw.name))?;
    Ok(Input { reader, ..raw })
}

/// Opens a file, or standard input for `-`, and leaves the bytes as they are.
pub fn open_raw(path: &Path) -> Result<Input> {
    let (reader, name, length): (Box<dyn Read + Send>, _, _) = if path == Path::new("-") {
        let file = io::stdin().as_fd().try_clone_to_owned().map(File::from);
        (Box::new(io::stdin()), "standard input".to_owned(), file.ok().and_then(plain_length))
    } else {
        let name = path.display().to_string();
        let file = File::open(path).context(|| format!("cannot open {name}"))?;
        if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(Error::environment(format!("{name} is a directory")));
        }
        let length = file.try_clone().ok().and_then(plain_length);
        (Box::new(file), name, length)
    };
    Ok(Input { reader, name, length })
}

/// How many bytes are still to be read of a file that is not compressed.
fn plain_length(mut file: File) -> Option<u64> {
    let metadata = file.metadata().ok().filter(|metadata| metadata.is_file())?;
    let at = file.stream_position().ok()?;
    (!begins_with(&file, &GZIP).ok()?).then(|| metadata.len().saturating_sub(at))
}

/// An input whose plain bytes stay at hand: in the file itself, or in an unnamed temporary one if they
/// are compressed or come from a pipe.
pub struct Kept {
    /// The path, or `standard input`.
    pub name: String,
    plain: Arc<File>,
    /// What is still to be copied to the temporary file.
    uncopied: Option<Box<dyn Read + Send>>,
}

/// Opens a file, or standard input for `-`, to read it more than once.
pub fn open_kept(path: &Path) -> Result<Kept> {
    let raw = open_raw(path)?;
    let name = raw.name;
    if path != Path::new("-") {
        let file = File::open(path).context(|| format!("cannot open {name}"))?;
        if file.metadata().is_ok_and(|metadata| metadata.is_file()) && !begins_with(&file, &GZIP)? {
            return Ok(Kept { name, plain: Arc::new(file), uncopied: None });
        }
    }
    let input = decompressed(raw.reader).context(|| format!("cannot read {name}"))?;
    let copy = tempfile::tempfile().context(|| "cannot write to the folder for temporary files")?;
    Ok(Kept { name, plain: Arc::new(copy), uncopied: Some(input) })
}

impl Kept {
    /// The bytes, from the first. Until they were read to their end once, nothing else must be read.
    pub fn reader(&mut self) -> Box<dyn Read + Send> {
        match self.uncopied.take() {
            Some(input) => Box::new(Copying { input, copy: Arc::clone(&self.plain) }),
            None => Box::new(Section::all(Arc::clone(&self.plain))),
        }
    }

    /// The file that holds them.
    pub fn into_file(self) -> Arc<File> {
        self.plain
    }
}

/// Whether a file starts with these bytes.
pub fn begins_with(file: &File, bytes: &[u8]) -> io::Result<bool> {
    let mut start = vec![0; bytes.len()];
    match file.read_exact_at(&mut start, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| start == bytes),
    }
}

/// What is read from the input is kept in a file.
struct Copying {
    input: Box<dyn Read + Send>,
    copy: Arc<File>,
}

impl Read for Copying {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let copied = (&*self.copy).write_all(&buffer[..read]);
        copied.context(|| "cannot write to the folder for temporary files")?;
        Ok(read)
    }
}

/// The first bytes of gzip data.
const GZIP: [u8; 2] = [0x1f, 0x8b];

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

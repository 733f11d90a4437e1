//! `build`: an index from lines of vectors.

use std::fmt;
use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use faiss::MetricType;
use faiss_snap::index_file::{Effort, Inspection, MAX_DIMENSION, inspect};
use golden::cli::{Progress, Reporter};
use golden::{Context, Error, Result};
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::cli::{Build, Metric};
use crate::names::Names;
use crate::native::FloatIndex;
use crate::protocol::{Line, Lines};
use crate::sidecar::{self, Sidecar};

/// Vectors that FAISS is given at a time.
const BATCH: usize = 1024;

/// Numbers that a training is given at most: 512 MiB of them. FAISS itself takes 256 vectors a cell.
const MAX_TRAINING: u64 = 128 * 1024 * 1024;

pub fn run(arguments: &Build, reporter: &Reporter) -> Result<ExitCode> {
    let path = target(arguments)?;
    let mut lines = Lines::new(BufReader::new(io::stdin().lock()), None);
    let Some(first) = lines.next()? else {
        return Err(Error::data("no vectors came on standard input"));
    };
    let progress = Progress::start(reporter, "building", "vectors", None);
    let mut building = Building::new(arguments, &first)?;
    let mut next = Some(first);
    while let Some(line) = next {
        building.take(line, &lines)?;
        progress.advance(1);
        next = lines.next()?;
    }
    let built = building.finish()?;
    drop(progress);
    built.write(arguments, &path)?;
    reporter.report(&Report::of(&built, &path), false)?;
    Ok(ExitCode::SUCCESS)
}

/// The file that is to appear. One that exists must be an index.
fn target(arguments: &Build) -> Result<PathBuf> {
    let given = &arguments.output;
    // A link is followed, so that the file it points at is what changes.
    let path = fs::canonicalize(given).unwrap_or_else(|_| given.clone());
    if path.file_name().is_none() {
        return Err(Error::usage(format!("{} is no name of a file", given.display())));
    }
    if path.exists() && !arguments.force && matches!(inspect(&path)?, Inspection::Damaged(_)) {
        return Err(Error::environment(format!("{} exists and is not an index", given.display()))
            .guidance("choose another name, or replace it with --force"));
    }
    Ok(path)
}

/// An index on its way.
struct Building {
    index: FloatIndex,
    names: Names,
    model: Option<String>,
    d: usize,
    /// What FAISS is given next.
    vectors: Vec<f32>,
    ids: Vec<i64>,
    /// Whether the ids so far are the places of the vectors.
    are_places: bool,
    count: u64,
    /// Vectors that wait until the index is trained.
    waiting: Option<BufWriter<File>>,
}

impl Building {
    fn new(arguments: &Build, first: &Line) -> Result<Self> {
        let d = first.vector.len();
        let Some(dimension) = u32::try_from(d).ok().filter(|d| *d <= MAX_DIMENSION) else {
            return Err(Error::data(format!("line 1: vectors of {d} numbers")));
        };
        let metric = match arguments.metric {
            Metric::Ip => MetricType::InnerProduct,
            Metric::L2 => MetricType::L2,
        };
        let mut index = FloatIndex::new(dimension, &arguments.factory, metric)?;
        let efforts = [arguments.nprobe.map(Effort::Nprobe), arguments.ef.map(Effort::EfSearch)];
        efforts.into_iter().flatten().try_for_each(|effort| index.set(effort))?;
        let waiting = if index.is_trained() {
            None
        } else {
            Some(BufWriter::new(tempfile::tempfile().context(|| "cannot write to the folder for temporary files")?))
        };
        let keeps_ids = ["IDMap", "IVF"].iter().any(|kind| arguments.factory.contains(kind));
        Ok(Self {
            index,
            names: Names::default(),
            model: first.model.clone(),
            d,
            vectors: Vec::new(),
            ids: Vec::new(),
            are_places: !keeps_ids,
            count: 0,
            waiting,
        })
    }

    fn take(&mut self, line: Line, lines: &Lines<impl io::BufRead>) -> Result<()> {
        if line.model != self.model {
            let name = |model: &Option<String>| model.clone().unwrap_or_else(|| "none".to_owned());
            return Err(lines
                .wrong(format!("the model changed from {} to {}", name(&self.model), name(&line.model)))
                .guidance("vectors of two models do not go together"));
        }
        let id = self.names.number(line.id, lines.number()).map_err(|what| lines.wrong(what))?;
        if self.are_places && id.cast_unsigned() != self.count {
            return Err(lines
                .wrong(format!("an index of this type keeps no ids, so vector {} cannot be {id}", self.count))
                .guidance("put IDMap, before the type"));
        }
        self.count += 1;
        match &mut self.waiting {
            Some(waiting) => {
                let spill = |error| Error::from(error).context("cannot write to the folder for temporary files");
                waiting.write_all(&id.to_le_bytes()).map_err(spill)?;
                line.vector.iter().try_for_each(|number| waiting.write_all(&number.to_le_bytes())).map_err(spill)
            }
            None => self.add(id, &line.vector),
        }
    }

    fn add(&mut self, id: i64, vector: &[f32]) -> Result<()> {
        self.ids.push(id);
        self.vectors.extend_from_slice(vector);
        if self.ids.len() == BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.are_places {
            self.index.add(&self.vectors)?;
        } else {
            self.index.add_with_ids(&self.vectors, &self.ids)?;
        }
        self.ids.clear();
        self.vectors.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<Built> {
        if let Some(waiting) = self.waiting.take() {
            let mut waiting = waiting.into_inner().map_err(io::IntoInnerError::into_error)?;
            self.train(&mut waiting)?;
            waiting.rewind()?;
            let mut waiting = BufReader::new(waiting);
            for _ in 0..self.count {
                let (id, vector) = read_waiting(&mut waiting, self.d)?;
                self.add(id, &vector)?;
            }
        }
        self.flush()?;
        if self.index.ntotal() != self.count {
            return Err(Error::data(format!("FAISS took {} vectors of {}", self.index.ntotal(), self.count)));
        }
        Ok(Built { index: self.index, names: self.names.into_texts(), model: self.model })
    }

    /// Trains with vectors from all over, as many as are good for it.
    fn train(&mut self, waiting: &mut File) -> Result<()> {
        let wanted = self.count.min(MAX_TRAINING / self.d as u64).max(1);
        let size = 8 + 4 * self.d as u64;
        let mut sample = Vec::new();
        for number in 0..wanted {
            let row = u128::from(number) * u128::from(self.count) / u128::from(wanted);
            waiting.seek(SeekFrom::Start(row as u64 * size))?;
            sample.extend(read_waiting(waiting, self.d)?.1);
        }
        self.index.train(&sample)
    }
}

/// A vector that waited, and its id.
fn read_waiting(waiting: &mut impl Read, d: usize) -> Result<(i64, Vec<f32>)> {
    let mut id = [0; 8];
    let mut bytes = vec![0; 4 * d];
    waiting
        .read_exact(&mut id)
        .and_then(|()| waiting.read_exact(&mut bytes))
        .context(|| "cannot read a temporary file")?;
    Ok((i64::from_le_bytes(id), bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect()))
}

/// An index that is complete in memory.
struct Built {
    index: FloatIndex,
    names: Option<Vec<Box<str>>>,
    model: Option<String>,
}

impl Built {
    /// Writes both files. The sidecar takes its name first and holds the digest of its index: whoever comes between
    /// the two renames, or after a crash there, sees that the sidecar is not that of the index beside it.
    fn write(self: &Built, arguments: &Build, path: &Path) -> Result<()> {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            return Err(
                Error::environment(format!("there is no folder {}", folder.display())).guidance("make it first")
            );
        }
        let mode = fs::metadata(path).map_or(Permissions::from_mode(0o666), |metadata| metadata.permissions());
        let temporary =
            tempfile::Builder::new().prefix(".golden-").suffix(".tmp").permissions(mode).tempfile_in(folder);
        let temporary = temporary.context(|| format!("cannot write in {}", folder.display()))?;
        self.index.write(temporary.path())?;
        self.verify(&temporary)?;
        temporary.as_file().sync_all().context(|| format!("cannot write {}", path.display()))?;
        Sidecar {
            dimension: self.index.d(),
            count: self.index.ntotal(),
            model_name: self.model.clone(),
            metric: match arguments.metric {
                Metric::Ip => "ip".to_owned(),
                Metric::L2 => "l2".to_owned(),
            },
            factory: arguments.factory.clone(),
            built_at: sidecar::now(),
            sha256: sidecar::digest(temporary.path())?,
            ids: self.names.clone(),
        }
        .write(path)?;
        let renamed = temporary.persist(path).map_err(|error| error.error);
        renamed.context(|| format!("cannot rename to {}", path.display()))?;
        File::open(folder).and_then(|folder| folder.sync_all()).context(|| format!("cannot write {}", path.display()))
    }

    /// FAISS is told of a full disk and does not pass it on: what it wrote is looked at before it is believed.
    fn verify(&self, temporary: &NamedTempFile) -> Result<()> {
        let inspection = inspect(temporary.path())?;
        let is_whole = match &inspection {
            Inspection::Known(index) => index.problems.is_empty() && index.header.ntotal == self.index.ntotal(),
            Inspection::Unknown(_) => true,
            Inspection::Damaged(_) | Inspection::Placeholder => false,
        };
        if is_whole {
            return Ok(());
        }
        let problems = inspection.problems().join("; ");
        Err(Error::environment(format!("the index was not written whole: {problems}")).guidance("is the disk full?"))
    }
}

#[derive(Serialize)]
struct Report<'a> {
    file: &'a Path,
    ntotal: u64,
    d: u32,
    model: Option<&'a str>,
}

impl<'a> Report<'a> {
    fn of(built: &'a Built, file: &'a Path) -> Self {
        Self { file, ntotal: built.index.ntotal(), d: built.index.d(), model: built.model.as_deref() }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.ntotal == 1 { "" } else { "s" };
        write!(f, "indexed {} vector{s} of {} numbers", self.ntotal, self.d)?;
        match self.model {
            Some(model) => writeln!(f, ", made by {model}"),
            None => writeln!(f),
        }
    }
}

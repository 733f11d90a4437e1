//! `check`: an index is loaded, and samples of its own vectors are looked for in it.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use faiss_snap::index_file::{Elements, Header, Index, Inspection, Metric, inspect};
use golden::cli::Reporter;
use golden::{Context, Error, Result};
use serde::Serialize;

use crate::cli::Check;
use crate::commands::info::placeholder;
use crate::native::{BinaryIndex, FloatIndex};

/// How many neighbours are looked at for a vector itself: types that store codes confuse vectors that are close.
const NEIGHBOURS: usize = 10;

pub fn run(arguments: &Check, reporter: &Reporter) -> Result<ExitCode> {
    let file = &arguments.file;
    let (kind, elements, known) = match inspect(file)? {
        Inspection::Known(index) => (index.kind.clone(), index.elements, Some(index)),
        Inspection::Unknown(unknown) => (unknown.name, unknown.elements, None),
        Inspection::Placeholder => return Err(placeholder(file)),
        Inspection::Damaged(damage) => return Err(Error::data(format!("{}: {damage}", file.display()))),
    };
    let mut report = Report::new(file, kind, known.as_ref());
    match elements {
        Elements::Floats => {
            let samples = known.map(|index| samples(file, &index, arguments.samples)).transpose()?.unwrap_or_default();
            report.check_floats(&mut FloatIndex::read(file)?, &samples)?;
        }
        Elements::Bits => report.check_bits(&mut BinaryIndex::read(file)?)?,
    }
    let is_wrong = !report.problems.is_empty();
    reporter.report(&report, is_wrong)?;
    Ok(if is_wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Places and ids of vectors from all over an index.
fn samples(file: &Path, index: &Index, wanted: u64) -> Result<Vec<(u64, i64)>> {
    let every = index.header.ntotal.div_ceil(wanted.max(1)).max(1);
    let ids = index.ids.read(File::open(file).context(|| format!("cannot read {}", file.display()))?);
    let mut samples = Vec::new();
    for (row, id) in (0..index.header.ntotal).zip(ids) {
        let id = id?;
        if row % every == 0 && wanted > 0 {
            samples.push((row, id));
        }
    }
    Ok(samples)
}

#[derive(Serialize)]
struct Report<'a> {
    file: &'a Path,
    #[serde(rename = "type")]
    kind: String,
    /// What the file says, where its layout is known.
    #[serde(skip)]
    header: Option<Header>,
    d: u32,
    ntotal: u64,
    /// Vectors that were given back, of those that were asked for.
    reconstructed: usize,
    /// Of these, those that a search for them found.
    found: usize,
    problems: Vec<String>,
}

impl<'a> Report<'a> {
    fn new(file: &'a Path, kind: String, index: Option<&Index>) -> Self {
        let problems = index.map(|index| index.problems.clone()).unwrap_or_default();
        let header = index.map(|index| index.header);
        Self { file, kind, header, d: 0, ntotal: 0, reconstructed: 0, found: 0, problems }
    }

    fn check_floats(&mut self, index: &mut FloatIndex, samples: &[(u64, i64)]) -> Result<()> {
        self.compare(index.d(), index.ntotal(), index.is_trained());
        for &(row, id) in samples {
            let Some(vector) = index.reconstruct(row, id) else { continue };
            if !vector.iter().all(|number| number.is_finite()) {
                self.problems.push(format!("the vector with id {id} holds a number that is not finite"));
                continue;
            }
            self.reconstructed += 1;
            let nearest = index.search(&vector, NEIGHBOURS.min(self.ntotal as usize))?;
            // Among equal vectors another may stand for it; an inner product with a longer vector is larger.
            let outdone = nearest.ids.len() >= NEIGHBOURS && self.is_outdone(&vector, &nearest.distances);
            self.found += usize::from(nearest.ids.contains(&id) || outdone);
        }
        if self.reconstructed == 0 && self.ntotal > 0 && index.is_trained() {
            // Its vectors are not given back: a search at least goes through what it has.
            index.search(&vec![1.0; self.d as usize], NEIGHBOURS.min(self.ntotal as usize))?;
        }
        if self.found < self.reconstructed.div_ceil(2) {
            self.problems.push(format!("of {} of its own vectors it finds {}", self.reconstructed, self.found));
        }
        Ok(())
    }

    /// Whether all the neighbours found are at least as near as the vector is to itself.
    fn is_outdone(&self, vector: &[f32], distances: &[f32]) -> bool {
        let last = distances.last().copied().unwrap_or(f32::NAN);
        match self.header.map(|header| header.metric) {
            Some(Metric::Ip) => last >= vector.iter().map(|number| number * number).sum::<f32>(),
            Some(_) => last <= 0.0,
            None => false,
        }
    }

    /// Goes through a binary index once.
    fn check_bits(&mut self, index: &mut BinaryIndex) -> Result<()> {
        self.compare(index.d(), index.ntotal(), index.is_trained());
        if self.ntotal > 0 {
            index.search(&vec![0; self.d as usize / 8], NEIGHBOURS.min(self.ntotal as usize))?;
        }
        Ok(())
    }

    /// Holds what FAISS loaded against what the file says.
    fn compare(&mut self, d: u32, ntotal: u64, is_trained: bool) {
        (self.d, self.ntotal) = (d, ntotal);
        let Some(header) = self.header else { return };
        if (header.d, header.ntotal, header.is_trained) != (d, ntotal, is_trained) {
            self.problems
                .push(format!("FAISS loads {ntotal} vectors of {d} from a file of {} of {}", header.ntotal, header.d));
        }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, d, ntotal, reconstructed, found, .. } = self;
        write!(f, "{}: {kind}, {ntotal} vectors of {d}", self.file.display())?;
        match reconstructed {
            0 => writeln!(f, "; loaded"),
            _ => writeln!(f, "; loaded, found {found} of {reconstructed} of its own"),
        }?;
        self.problems.iter().try_for_each(|problem| writeln!(f, "  {problem}"))
    }
}

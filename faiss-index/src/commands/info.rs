//! `info`: what an index file says of itself. Types that we know are read without FAISS.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use faiss_snap::index_file::{Elements, Header, Inspection, Metric, UnknownType, inspect};
use golden::cli::Reporter;
use golden::{Context, Error, Result};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::cli::Info;
use crate::native::{BinaryIndex, FloatIndex};

pub fn run(arguments: &Info, reporter: &Reporter) -> Result<ExitCode> {
    let file = &arguments.file;
    let inspection = inspect(file)?;
    let (kind, Header { d, ntotal, metric, is_trained }, problems) = match &inspection {
        Inspection::Known(index) => (index.kind.clone(), index.header, index.problems.as_slice()),
        Inspection::Placeholder => return Err(placeholder(file)),
        Inspection::Damaged(damage) => return Err(Error::data(format!("{}: {damage}", file.display()))),
        Inspection::Unknown(_) if arguments.ids => {
            return Err(Error::data(format!("the ids of {} cannot be read", file.display()))
                .guidance("its type is none of those whose layout is known"));
        }
        Inspection::Unknown(unknown) => {
            let report = Unknown::load(file, unknown)?;
            reporter.report(&report, false)?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let ids = arguments.ids.then_some(Listed { file, inspection: &inspection });
    let problems = problems.iter().map(String::as_str).collect::<Vec<_>>();
    let is_wrong = !problems.is_empty();
    reporter.report(&Report { file, kind, d, ntotal, metric, trained: is_trained, ids, problems }, is_wrong)?;
    Ok(if is_wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What is said of a file of 0 bytes.
pub fn placeholder(file: &Path) -> Error {
    Error::data(format!("{} is empty: a placeholder, no index", file.display()))
}

#[derive(Serialize)]
struct Report<'a> {
    file: &'a Path,
    #[serde(rename = "type")]
    kind: String,
    d: u32,
    ntotal: u64,
    metric: Metric,
    trained: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<Listed<'a>>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trained = if self.trained { "" } else { ", not trained" };
        writeln!(
            f,
            "{}: {}, {} vectors of {}, {}{trained}",
            self.file.display(),
            self.kind,
            self.ntotal,
            self.d,
            self.metric
        )?;
        for problem in &self.problems {
            writeln!(f, "  {problem}")?;
        }
        let Some(ids) = &self.ids else { return Ok(()) };
        for id in ids.open().map_err(|_| fmt::Error)? {
            writeln!(f, "{}", id.map_err(|_| fmt::Error)?)?;
        }
        Ok(())
    }
}

/// The ids of all vectors, read as they are printed.
struct Listed<'a> {
    file: &'a Path,
    inspection: &'a Inspection,
}

impl Listed<'_> {
    fn open(&self) -> Result<impl Iterator<Item = Result<i64>>> {
        let file = File::open(self.file).context(|| format!("cannot read {}", self.file.display()))?;
        Ok(self.inspection.index().map(|index| index.ids.read(file)).into_iter().flatten())
    }
}

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for id in self.open().map_err(serde::ser::Error::custom)? {
            list.serialize_element(&id.map_err(serde::ser::Error::custom)?)?;
        }
        list.end()
    }
}

/// What FAISS says of a type whose layout we do not know.
#[derive(Serialize)]
struct Unknown<'a> {
    file: &'a Path,
    #[serde(rename = "type")]
    kind: &'a str,
    d: u32,
    ntotal: u64,
    trained: bool,
}

impl<'a> Unknown<'a> {
    fn load(file: &'a Path, unknown: &'a UnknownType) -> Result<Self> {
        let kind = &unknown.name;
        if unknown.elements == Elements::Bits {
            let index = BinaryIndex::read(file)?;
            return Ok(Self { file, kind, d: index.d(), ntotal: index.ntotal(), trained: index.is_trained() });
        }
        let index = FloatIndex::read(file)?;
        Ok(Self { file, kind, d: index.d(), ntotal: index.ntotal(), trained: index.is_trained() })
    }
}

impl fmt::Display for Unknown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trained = if self.trained { "" } else { ", not trained" };
        writeln!(f, "{}: type {}, {} vectors of {}{trained}", self.file.display(), self.kind, self.ntotal, self.d)
    }
}

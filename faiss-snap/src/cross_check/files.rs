//! The files of the index folder, each by itself and beside its sidecar.

use std::collections::BTreeSet;
use std::path::Path;

use faiss_snap::index_file::{Index, Inspection, inspect};
use faiss_snap::npz::Npz;
use faiss_snap::sidecar::{self, Sidecar};
use golden::{Kind, Result};

use super::{CrossCheck, Store, Vectors, stem};
use crate::manifest::{EntryKind, Finding, IndexHalf, IndexSummary, Level};
use crate::relative_path::RelativePath;

/// The check of what a file is by itself.
pub const CHECK: &str = "index";

/// Endings by which a file says that it is an index. Others may be one all the same.
const ENDINGS: [&str; 2] = ["index", "faiss"];

/// Looks into every file that is an index.
pub fn check(folder: &Path, half: &IndexHalf, check: &mut CrossCheck) -> Result<Vec<Store>> {
    let is_file = |kind: &EntryKind| matches!(kind, EntryKind::File(_));
    let paths: BTreeSet<_> =
        half.entries.iter().filter(|entry| is_file(&entry.kind)).map(|entry| &entry.path).collect();
    let mut stores = Vec::new();
    for &path in &paths {
        let mut file = IndexFile { folder, path, paths: &paths, check: &mut *check };
        stores.extend(file.look()?);
    }
    Ok(stores)
}

/// Whether a file's name says that it is an index.
pub fn is_named_index(path: &RelativePath) -> bool {
    let ending = path.as_str().rsplit_once('.').map_or("", |(_, ending)| ending);
    ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

struct IndexFile<'a> {
    folder: &'a Path,
    path: &'a RelativePath,
    paths: &'a BTreeSet<&'a RelativePath>,
    check: &'a mut CrossCheck,
}

impl IndexFile<'_> {
    /// The vectors of the file; none where it is no index, or none that can be read.
    fn look(&mut self) -> Result<Option<Store>> {
        let file = self.path.inside(self.folder);
        let is_named = is_named_index(self.path);
        match inspect(&file)? {
            Inspection::Known(index) => {
                for problem in &index.problems {
                    self.say(Level::Error, problem.clone());
                }
                if index.problems.is_empty() {
                    self.say(Level::Ok, format!("{} of {} x {}", index.kind, index.header.ntotal, index.header.d));
                }
                self.check.indexes.push(summary(self.path, &index));
                let (dimension, count) = (index.header.d, index.header.ntotal);
                self.beside(dimension, count);
                let vectors = Vectors::Index { file, index: Box::new(index) };
                Ok(Some(Store { path: self.path.clone(), dimension, count, vectors }))
            }
            // Any file may look like a damaged index; only those that claim to be one are.
            _ if !is_named => Ok(None),
            Inspection::Damaged(damage) => {
                self.say(Level::Error, damage.to_string());
                Ok(None)
            }
            Inspection::Unknown(unknown) => {
                self.say(
                    Level::Warning,
                    format!("of the type {}, which is not known here: not looked into", unknown.name),
                );
                Ok(None)
            }
            Inspection::Placeholder => Ok(self.placeholder()),
        }
    }

    /// Nothing, with the vectors in a `.npz` beside it.
    fn placeholder(&mut self) -> Option<Store> {
        let Some(npz) = self.npz() else {
            self.say(Level::Warning, "empty, and no .npz beside it".to_owned());
            return None;
        };
        let npz = npz?;
        self.say(Level::Ok, format!("a placeholder: its {} vectors are in the .npz beside it", npz.count));
        self.sidecars(npz.d, npz.count);
        Some(Store { path: self.path.clone(), dimension: npz.d, count: npz.count, vectors: Vectors::Npz(npz) })
    }

    fn beside(&mut self, dimension: u32, count: u64) {
        self.sidecars(dimension, count);
        if let Some(Some(npz)) = self.npz()
            && (npz.d, npz.count) != (dimension, count)
        {
            let message = format!("holds {count} x {dimension}, the .npz beside it {} x {}", npz.count, npz.d);
            self.say(Level::Error, message);
        }
    }

    /// The `.npz` beside the index, if there is one, and if it can be read.
    fn npz(&mut self) -> Option<Option<Npz>> {
        let path = self.sibling(&format!("{}.npz", stem(self.path)))?;
        match Npz::open(&path.inside(self.folder)) {
            Ok(npz) => Some(Some(npz)),
            Err(error) => {
                self.check.findings.push(Finding::new(Level::Error, CHECK, Some(path.as_str()), error.message()));
                Some(None)
            }
        }
    }

    fn sidecars(&mut self, dimension: u32, count: u64) {
        let name = self.path.as_str().rsplit('/').next().unwrap_or_default();
        for sidecar in [format!("{}.meta.json", stem(self.path)), format!("{name}.meta.json")] {
            let Some(path) = self.sibling(&sidecar) else { continue };
            let mut say = |level, message: String| {
                self.check.findings.push(Finding::new(level, "sidecar", Some(path.as_str()), message));
            };
            match sidecar::read(&path.inside(self.folder)) {
                Ok(Sidecar { dimension: says_dimension, count: says_count, problems, .. }) => {
                    problems.into_iter().for_each(|problem| say(Level::Warning, problem));
                    if let Some(said) = says_dimension.filter(|said| said.value != u64::from(dimension)) {
                        say(Level::Error, format!("says {} {}, the index has {dimension}", said.name, said.value));
                    }
                    if let Some(said) = says_count.filter(|said| said.value != count) {
                        say(Level::Error, format!("says {} vectors, the index holds {count}", said.value));
                    }
                }
                Err(error) => {
                    let level = if error.kind() == Kind::Data { Level::Warning } else { Level::Error };
                    say(level, error.message().to_owned());
                }
            }
        }
    }

    /// A file in the same folder.
    fn sibling(&self, name: &str) -> Option<RelativePath> {
        let path = match self.path.as_str().rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{name}"),
            None => name.to_owned(),
        };
        RelativePath::new(&path).filter(|path| self.paths.contains(path))
    }

    fn say(&mut self, level: Level, message: String) {
        self.check.findings.push(Finding::new(level, CHECK, Some(self.path.as_str()), message));
    }
}

fn summary(path: &RelativePath, index: &Index) -> IndexSummary {
    IndexSummary {
        path: path.clone(),
        kind: index.kind.clone(),
        dimension: index.header.d,
        ntotal: index.header.ntotal,
        metric: index.header.metric.to_string(),
        is_trained: index.header.is_trained,
    }
}

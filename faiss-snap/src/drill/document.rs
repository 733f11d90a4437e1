//! A golden document, imported into a database that was not there before.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use golden::Result;

use super::run::{program, run, run_into, shell};
use super::{Protocol, Scratch, ScratchSchema, Subject};

/// A golden document and how it is restored.
pub struct DocumentDrill<'a> {
    /// The file.
    pub file: &'a Path,
    /// Where it is restored; none for a SQLite file in the scratch folder.
    pub schema: Option<&'a ScratchSchema>,
    /// The mapping of tables and columns, where it is not the default one.
    pub mapping: Option<&'a Path>,
    /// Whether the restored database is searched.
    pub vectors: Vectors<'a>,
    /// Where there is room.
    pub scratch: &'a Scratch,
}

/// What becomes of the vectors of a restored document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vectors<'a> {
    /// Nobody searches: none are made.
    LeftOut,
    /// This makes them; none for golden-embed.
    Made(Option<&'a str>),
}

impl DocumentDrill<'_> {
    /// Verifies, imports, compares, and makes an index if there are vectors. None where there is nothing to search.
    pub fn carry_out(&self, protocol: &mut Protocol) -> Option<PathBuf> {
        let mut step = |name, done: &str, step: &dyn Fn(&Self) -> Result<()>| {
            protocol.check(Subject::Document, name, || step(self).map(|()| ((), done.to_owned())))
        };
        step("verify", "structure, counts and digests", &|drill| drill.verify(&[]))?;
        step("restore", "imported into an empty database", &Self::import)?;
        step("compare", "the database holds the document", &|drill| drill.verify(&["--db".into(), drill.database()]))?;
        let Vectors::Made(embed) = self.vectors else { return None };
        step("index", "made of the vectors", &|drill| drill.index(embed))?;
        Some(self.indexes().join("chunks.index"))
    }

    fn verify(&self, arguments: &[OsString]) -> Result<()> {
        let mut command = self.program("golden-verify")?;
        run(command.arg("--quiet").args(arguments).arg("--").arg(self.file), self.scratch.folder())
    }

    fn import(&self) -> Result<()> {
        let mut command = self.program("golden-import")?;
        command.args(["--quiet", "--init", "--no-undo", "--db"]).arg(self.database());
        match self.vectors {
            Vectors::LeftOut => command.arg("--no-embed"),
            Vectors::Made(None) => &mut command,
            Vectors::Made(Some(embed)) => command.args(["--embed", embed]),
        };
        run(command.arg("--").arg(self.file), self.scratch.folder())
    }

    fn index(&self, embed: Option<&str>) -> Result<()> {
        fs::create_dir(self.indexes())?;
        match self.schema {
            None => self.rebuild(),
            Some(_) => self.build(embed),
        }
    }

    /// Of the vectors in a SQLite file.
    fn rebuild(&self) -> Result<()> {
        let mut command = self.program("faiss-snap")?;
        command.args(["rebuild", "--quiet", "--index", "chunks.index", "--db"]).arg(self.database());
        command.arg("--faiss").arg(self.indexes()).arg("--backups").arg(self.scratch.path("no-backups"));
        run(&mut command, self.scratch.folder())
    }

    /// Of the texts in PostgreSQL, which are embedded once more.
    fn build(&self, embed: Option<&str>) -> Result<()> {
        let (texts, vectors) = (self.scratch.path("document.texts"), self.scratch.path("document.vectors"));
        let mut export = self.program("golden-export")?;
        export.args(["--quiet", "--chunks", "--db"]).arg(self.database());
        run_into(&mut export, File::open("/dev/null")?, File::create(&texts)?, self.scratch.folder())?;
        let mut embedder = embed.map_or_else(|| program("golden-embed"), |embed| Ok(shell(embed)))?;
        run_into(&mut embedder, File::open(&texts)?, File::create(&vectors)?, self.scratch.folder())?;
        let mut build = program("faiss-index")?;
        build.args(["--quiet", "build", "--output"]).arg(self.indexes().join("chunks.index"));
        run_into(&mut build, File::open(&vectors)?, File::create("/dev/null")?, self.scratch.folder())
    }

    fn database(&self) -> OsString {
        self.schema.map_or_else(|| self.scratch.path("document.db").into(), |schema| schema.url().into())
    }

    fn indexes(&self) -> PathBuf {
        self.scratch.path("document-indexes")
    }

    fn program(&self, name: &str) -> Result<Command> {
        let mut command = program(name)?;
        if let Some(mapping) = self.mapping {
            command.env("GOLDEN_SCHEMA", mapping);
        }
        Ok(command)
    }
}

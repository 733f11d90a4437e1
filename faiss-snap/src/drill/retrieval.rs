//! Whether a restored index still answers what is asked of it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use faiss_snap::deep::memory_for;
use faiss_snap::program::{self, on_one_thread};
use golden::{Context, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::queries::{Queries, plain};
use super::run::{program, run_into, shell};
use super::{Protocol, Scratch, Subject};

/// How many of the questions that were not answered in full stand in the evidence.
const SHOWN: usize = 20;

/// What searches found.
#[derive(Clone, Debug, Serialize)]
pub struct Retrieval {
    /// In the index of what.
    pub subject: Subject,
    /// How many answers were looked at for each question.
    pub k: u64,
    /// How many questions.
    pub queries: usize,
    /// The share of the expected ids that were among the first k, the mean of all questions.
    pub recall: f64,
    /// The least that is good.
    pub min_recall: f64,
    /// Questions whose answers were not all found, the first of them.
    pub missed: Vec<Missed>,
}

/// A question that was not answered in full.
#[derive(Clone, Debug, Serialize)]
pub struct Missed {
    /// Its line among the questions, from 1.
    pub number: usize,
    /// The ids that were expected and not found.
    pub expected_ids: Vec<Value>,
}

/// Questions, and how they are asked.
#[derive(Debug)]
pub struct Searcher<'a> {
    /// The questions.
    pub queries: &'a Queries,
    /// How many answers count.
    pub k: NonZeroU64,
    /// The least mean recall that is good.
    pub min_recall: f64,
    /// What makes vectors of the questions; none for golden-embed.
    pub embed: Option<&'a str>,
    /// Where there is room for them.
    pub scratch: &'a Scratch,
}

impl Searcher<'_> {
    /// Asks all questions of an index.
    pub fn search(&self, subject: Subject, index: Result<PathBuf>, protocol: &mut Protocol) -> Option<Retrieval> {
        let mut retrieval = None;
        protocol.check(subject, "retrieval", || {
            let found = self.measure(subject, &index?)?;
            let detail = format!("recall@{} {:.3} of {} question(s)", found.k, found.recall, found.queries);
            let is_good = found.recall >= found.min_recall;
            retrieval = Some(found);
            if is_good {
                Ok(((), detail))
            } else {
                Err(Error::data(format!("{detail}, less than {}", self.min_recall)))
            }
        });
        retrieval
    }

    fn measure(&self, subject: Subject, index: &Path) -> Result<Retrieval> {
        let (vectors, answers) = (self.scratch.path("questions.vectors"), self.scratch.path("questions.answers"));
        self.embed(&vectors)?;
        let size = index.metadata().context(|| format!("cannot read {}", index.display()))?.len();
        let mut search = on_one_thread(&program::faiss()?);
        search.args(["--quiet", "--max-memory", &memory_for(size).to_string(), "search"]);
        search.args(["-k", &self.k.to_string(), "--"]).arg(index);
        run_into(&mut search, File::open(&vectors)?, File::create(&answers)?, self.scratch.folder())?;
        self.judge(subject, &answers)
    }

    /// Makes vectors of the questions, whose ids are their places among them.
    fn embed(&self, vectors: &Path) -> Result<()> {
        let texts = self.scratch.path("questions.texts");
        let mut file = BufWriter::new(File::create(&texts).context(|| format!("cannot write {}", texts.display()))?);
        for (id, query) in self.queries.0.iter().enumerate() {
            writeln!(file, "{}", json!({"id": id, "text": query.query}))?;
        }
        file.flush()?;
        let mut embed = match self.embed {
            Some(embed) => shell(embed),
            None => program("golden-embed")?,
        };
        // That the embedder fails says nothing about the backup.
        run_into(&mut embed, File::open(&texts)?, File::create(vectors)?, self.scratch.folder()).map_err(|error| {
            Error::environment(format!("the questions could not be made vectors: {}", error.message()))
        })
    }

    fn judge(&self, subject: Subject, answers: &Path) -> Result<Retrieval> {
        #[derive(Deserialize)]
        struct Answer {
            id: usize,
            ids: Vec<Value>,
        }
        let (mut recall, mut answered, mut missed) = (0.0, 0, Vec::new());
        for line in BufReader::new(File::open(answers)?).lines() {
            let answer: Answer = serde_json::from_str(&line?)
                .map_err(|error| Error::environment(format!("faiss-index gave no answer: {error}")))?;
            let Some(query) = self.queries.0.get(answer.id) else { continue };
            let found: HashSet<_> = answer.ids.iter().map(plain).collect();
            let expected_ids: Vec<_> =
                query.expected_ids.iter().filter(|id| !found.contains(&plain(id))).cloned().collect();
            recall += 1.0 - expected_ids.len() as f64 / query.expected_ids.len() as f64;
            answered += 1;
            if !expected_ids.is_empty() && missed.len() < SHOWN {
                missed.push(Missed { number: answer.id + 1, expected_ids });
            }
        }
        let queries = self.queries.0.len();
        if answered != queries {
            return Err(Error::environment(format!("{answered} of {queries} questions were answered")));
        }
        let recall = recall / queries as f64;
        Ok(Retrieval { subject, k: self.k.get(), queries, recall, min_recall: self.min_recall, missed })
    }
}

//! The sample database: analyses with chunks, findings and artifacts, as an ORM or a person would
//! have declared the tables.

use std::path::Path;

use clap::ValueEnum;
use rusqlite::{Connection, Transaction, params};

use crate::{Prose, Size};

/// How the tables are declared and what their ids and dates look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Style {
    /// As SQLAlchemy declares them: CHAR(32) ids, DATETIME, JSON, VARCHAR(n)
    Sqlalchemy,
    /// By hand: TEXT everywhere, hyphenated ids, RFC 3339 dates
    Plain,
}

/// Where findings are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FindingsIn {
    /// A table of their own
    Table,
    /// A JSON column of `analyses`
    Json,
    /// Nowhere
    None,
}

/// Whether the children's foreign keys have indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignKeyIndexes {
    /// One on each child table.
    Present,
    /// None, as in many databases that exist.
    Missing,
}

/// When to stop adding analyses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// When the chunks hold this much text.
    Content(Size),
    /// After this many.
    Analyses(u64),
}

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// How much.
    pub amount: Amount,
    /// How the tables are declared.
    pub style: Style,
    /// Where findings are kept.
    pub findings: FindingsIn,
    /// Whether foreign keys have indexes.
    pub indexes: ForeignKeyIndexes,
    /// Percentage of analyses that are not `completed`.
    pub unfinished: u8,
    /// The same seed gives the same rows.
    pub seed: u64,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            amount: Amount::Analyses(100),
            style: Style::Sqlalchemy,
            findings: FindingsIn::Table,
            indexes: ForeignKeyIndexes::Present,
            unfinished: 10,
            seed: 1,
        }
    }
}

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Analyses of any status.
    pub analyses: u64,
    /// Chunks of all of them.
    pub chunks: u64,
    /// Bytes of text in those chunks.
    pub content: u64,
}

const CHUNK_LENGTHS: std::ops::Range<usize> = 700..1_900;
const CHUNKS: std::ops::Range<i64> = 5..16;
const AGENTS: [&str; 4] = ["security_agent", "performance_agent", "api_agent", "docs_agent"];
const KINDS: [&str; 4] = ["documentation", "article", "tutorial", "reference"];

impl Sample {
    /// Makes the database in a file that is not there yet.
    pub fn create(&self, path: &Path) -> rusqlite::Result<Totals> {
        let mut connection = Connection::open(path)?;
        // The file is made from nothing: losing it in a crash loses nothing.
        connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16000")?;
        connection.execute_batch(&self.schema())?;
        let transaction = connection.transaction()?;
        let totals = Rows { sample: self, prose: Prose::new(self.seed), clock: 0 }.insert(&transaction)?;
        transaction.commit()?;
        Ok(totals)
    }

    /// The tables' definitions.
    pub fn schema(&self) -> String {
        let (tables, findings) = match self.style {
            Style::Sqlalchemy => (SQLALCHEMY, SQLALCHEMY_FINDINGS),
            Style::Plain => (PLAIN, PLAIN_FINDINGS),
        };
        let mut schema = tables.to_owned();
        let mut children = vec!["chunks", "artifacts"];
        match self.findings {
            FindingsIn::Table => {
                schema += findings;
                children.push("findings");
            }
            FindingsIn::Json => schema += "ALTER TABLE analyses ADD COLUMN findings JSON;\n",
            FindingsIn::None => {}
        }
        if self.indexes == ForeignKeyIndexes::Present {
            for table in children {
                schema += &format!("CREATE INDEX ix_{table}_analysis_id ON {table} (analysis_id);\n");
            }
        }
        schema
    }
}

struct Rows<'a> {
    sample: &'a Sample,
    prose: Prose,
    /// Microseconds since 2025-01-01.
    clock: i64,
}

impl Rows<'_> {
    fn insert(mut self, db: &Transaction<'_>) -> rusqlite::Result<Totals> {
        let mut totals = Totals::default();
        let enough = |totals: &Totals| match self.sample.amount {
            Amount::Content(Size(bytes)) => totals.content >= bytes,
            Amount::Analyses(count) => totals.analyses >= count,
        };
        while !enough(&totals) {
            let id = self.analysis(db)?;
            for index in 0..self.prose.rng().i64(CHUNKS) {
                totals.content += self.chunk(db, &id, index)?;
                totals.chunks += 1;
            }
            if self.sample.findings == FindingsIn::Table {
                self.findings(db, &id)?;
            }
            self.artifacts(db, &id)?;
            totals.analyses += 1;
        }
        Ok(totals)
    }

    fn analysis(&mut self, db: &Transaction<'_>) -> rusqlite::Result<String> {
        let id = self.id();
        let status = match self.prose.rng().u8(..100) {
            roll if roll >= self.sample.unfinished => "completed",
            roll if roll % 3 == 0 => "failed",
            _ => "pending",
        };
        let kind = self.choose(&KINDS);
        let url = format!("https://docs.example.org/{kind}/{}.html", self.prose.slug());
        let created_at = self.now();
        let title = (self.prose.rng().u8(..10) > 0).then(|| self.prose.heading());
        let tokens = self.prose.rng().i64(200..9_000);
        db.prepare_cached(
            "INSERT INTO analyses (id, url, content_type, status, created_at, title, token_count) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![id, url, kind, status, created_at, title, tokens])?;
        if self.sample.findings == FindingsIn::Json {
            let findings: Vec<_> = (0..self.prose.rng().u8(..4)).map(|_| self.finding_json()).collect();
            db.prepare_cached("UPDATE analyses SET findings = ? WHERE id = ?")?
                .execute(params![format!("[{}]", findings.join(", ")), id])?;
        }
        Ok(id)
    }

    fn chunk(&mut self, db: &Transaction<'_>, analysis: &str, index: i64) -> rusqlite::Result<u64> {
        let length = self.prose.rng().usize(CHUNK_LENGTHS);
        let content = self.prose.passage(length);
        let title = self.prose.heading();
        let path = format!("docs/{}/{}.md", self.prose.slug(), title.to_lowercase().replace(' ', "-"));
        let kind = if content.contains("```") { "code" } else { "paragraph" };
        let id = self.id();
        db.prepare_cached(
            "INSERT INTO chunks (id, analysis_id, content, section_title, section_path, content_type, chunk_index) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![id, analysis, content, title, path, kind, index])?;
        Ok(content.len() as u64)
    }

    fn findings(&mut self, db: &Transaction<'_>, analysis: &str) -> rusqlite::Result<()> {
        for _ in 0..self.prose.rng().u8(..4) {
            let (id, agent, content) = (self.id(), self.choose(&AGENTS), self.prose.sentence());
            let confidence = f64::from(self.prose.rng().u8(..=100)) / 100.0;
            db.prepare_cached(
                "INSERT INTO findings (id, analysis_id, agent, category, content, confidence) VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![id, analysis, agent, "best_practices", content, confidence])?;
        }
        Ok(())
    }

    fn artifacts(&mut self, db: &Transaction<'_>, analysis: &str) -> rusqlite::Result<()> {
        // Nearly always one; databases exist where some analyses have several.
        let count = match self.prose.rng().u8(..20) {
            0 => 0,
            1 => 2,
            _ => 1,
        };
        for _ in 0..count {
            let (id, summary) = (self.id(), self.prose.passage(300));
            let (first, second) = (self.prose.heading(), self.prose.heading());
            let findings = format!("[\"{first}\", \"{second}\"]");
            let metadata =
                format!("{{\"model\": \"v{}\", \"words\": {}}}", self.prose.rng().u8(1..4), summary.len() / 6);
            db.prepare_cached(
                "INSERT INTO artifacts (id, analysis_id, summary, key_findings, metadata) VALUES (?, ?, ?, ?, ?)",
            )?
            .execute(params![id, analysis, summary, findings, metadata])?;
        }
        Ok(())
    }

    fn finding_json(&mut self) -> String {
        let agent = self.choose(&AGENTS);
        let content = self.prose.heading();
        let confidence = f64::from(self.prose.rng().u8(..=100)) / 100.0;
        format!(
            r#"{{"agent": "{agent}", "category": "best_practices", "content": "{content}", "confidence": {confidence}}}"#
        )
    }

    fn id(&mut self) -> String {
        // Version 4, variant 1, as `uuid4()` gives.
        let bits = self.prose.rng().u128(..) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let hex = format!("{bits:032x}");
        match self.sample.style {
            Style::Sqlalchemy => hex,
            Style::Plain => [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"),
        }
    }

    fn now(&mut self) -> String {
        self.clock += self.prose.rng().i64(1_000_000..4_000_000_000);
        let (seconds, micros) = (self.clock / 1_000_000, self.clock % 1_000_000);
        let (days, in_day) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = date_after_2025(days);
        let time = format!("{:02}:{:02}:{:02}", in_day / 3_600, in_day / 60 % 60, in_day % 60);
        match self.sample.style {
            Style::Sqlalchemy => format!("{year}-{month:02}-{day:02} {time}.{micros:06}"),
            Style::Plain => format!("{year}-{month:02}-{day:02}T{time}Z"),
        }
    }

    fn choose<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.prose.rng().usize(..words.len())]
    }
}

/// The calendar date so many days after 2025-01-01.
fn date_after_2025(mut days: i64) -> (i64, i64, i64) {
    let mut year = 2025;
    loop {
        let leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
        let february = if leap { 29 } else { 28 };
        for (month, length) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
            if days < length {
                return (year, month, days + 1);
            }
            days -= length;
        }
        year += 1;
    }
}

const SQLALCHEMY: &str = "\
CREATE TABLE analyses (
	id CHAR(32) NOT NULL,
	url VARCHAR(2048) NOT NULL,
	content_type VARCHAR(50) NOT NULL,
	status VARCHAR(20) NOT NULL,
	created_at DATETIME NOT NULL,
	title VARCHAR(255),
	token_count INTEGER,
	PRIMARY KEY (id)
);
CREATE TABLE chunks (
	id CHAR(32) NOT NULL,
	analysis_id CHAR(32) NOT NULL,
	content TEXT NOT NULL,
	section_title VARCHAR(255),
	section_path VARCHAR(512),
	content_type VARCHAR(50),
	chunk_index INTEGER NOT NULL,
	embedding BLOB,
	PRIMARY KEY (id),
	FOREIGN KEY(analysis_id) REFERENCES analyses (id) ON DELETE CASCADE
);
CREATE TABLE artifacts (
	id CHAR(32) NOT NULL,
	analysis_id CHAR(32) NOT NULL,
	summary TEXT,
	key_findings JSON,
	metadata JSON,
	PRIMARY KEY (id),
	FOREIGN KEY(analysis_id) REFERENCES analyses (id) ON DELETE CASCADE
);
";

const SQLALCHEMY_FINDINGS: &str = "\
CREATE TABLE findings (
	id CHAR(32) NOT NULL,
	analysis_id CHAR(32) NOT NULL,
	agent VARCHAR(100),
	category VARCHAR(100),
	content TEXT,
	confidence FLOAT,
	PRIMARY KEY (id),
	FOREIGN KEY(analysis_id) REFERENCES analyses (id) ON DELETE CASCADE
);
";

const PLAIN: &str = "\
CREATE TABLE analyses (
	id TEXT PRIMARY KEY,
	url TEXT NOT NULL,
	content_type TEXT,
	status TEXT NOT NULL,
	created_at TEXT NOT NULL,
	title TEXT,
	token_count INTEGER
);
CREATE TABLE chunks (
	id TEXT PRIMARY KEY,
	analysis_id TEXT NOT NULL REFERENCES analyses (id),
	content TEXT NOT NULL,
	section_title TEXT,
	section_path TEXT,
	content_type TEXT,
	chunk_index INTEGER,
	embedding BLOB
);
CREATE TABLE artifacts (
	id TEXT PRIMARY KEY,
	analysis_id TEXT NOT NULL REFERENCES analyses (id),
	summary TEXT,
	key_findings TEXT,
	metadata TEXT
);
";

const PLAIN_FINDINGS: &str = "\
CREATE TABLE findings (
	id TEXT PRIMARY KEY,
	analysis_id TEXT NOT NULL REFERENCES analyses (id),
	agent TEXT,
	category TEXT,
	content TEXT,
	confidence REAL
);
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_calendar() {
        assert_eq!(date_after_2025(0), (2025, 1, 1));
        assert_eq!(date_after_2025(364), (2025, 12, 31));
        assert_eq!(date_after_2025(365 * 3 + 31 + 28), (2028, 2, 29));
    }
}

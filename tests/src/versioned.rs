//! A database of which versions are made, SQLite's or PostgreSQL's.

use std::process::{Child, Stdio};

use serde_json::Value;

use crate::{PgDatabase, Pgvector, Postgres, Run, Sandbox};

/// A database and the folder of its versions' files.
pub struct Versioned<'s> {
    /// Where commands run.
    pub sandbox: Sandbox,
    database: Option<PgDatabase<'s>>,
}

impl Versioned<'static> {
    /// A SQLite file with these tables.
    pub fn sqlite(tables: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.sql("app.db", "PRAGMA journal_mode = WAL");
        sandbox.sql("app.db", tables);
        Self { sandbox, database: None }
    }

    /// Both databases with these tables; SQLite alone, and a skip, where there is no PostgreSQL.
    pub fn both(tables: &str) -> Vec<Self> {
        let postgres = Postgres::shared().map(|server| {
            let database = server.database(Pgvector::Absent);
            database.sql(tables);
            Self { sandbox: Sandbox::new(), database: Some(database) }
        });
        [Some(Self::sqlite(tables)), postgres].into_iter().flatten().collect()
    }
}

impl Versioned<'_> {
    /// Whether it is PostgreSQL's.
    pub fn is_postgres(&self) -> bool {
        self.database.is_some()
    }

    /// The database as the command line names it.
    pub fn db(&self) -> String {
        self.database.as_ref().map_or_else(|| "app.db".to_owned(), PgDatabase::url)
    }

    /// Runs statements.
    #[track_caller]
    pub fn sql(&self, statements: &str) {
        match &self.database {
            Some(database) => database.sql(statements),
            None => self.sandbox.sql("app.db", statements),
        }
    }

    /// The first value of a query, as text.
    #[track_caller]
    pub fn value(&self, query: &str) -> String {
        match &self.database {
            Some(database) => database.rows(query)[0][0].clone(),
            None => self.sandbox.value("app.db", query).trim_matches('\'').to_owned(),
        }
    }

    /// A command of golden-version's as a shell takes it.
    pub fn line(&self, command: &str) -> String {
        format!("GOLDEN_SNAPSHOTS=files DATABASE_URL='{}' golden-version {command}", self.db())
    }

    /// Runs a command of golden-version.
    #[track_caller]
    pub fn run(&self, command: &str) -> Run {
        self.sandbox.sh(&self.line(command))
    }

    /// The same with something on standard input.
    #[track_caller]
    pub fn feed(&self, input: &str, command: &str) -> Run {
        self.sandbox.write("input", input);
        self.sandbox.sh(&format!("{} < input", self.line(command)))
    }

    /// Starts a command, quietly.
    pub fn start(&self, command: &str) -> Child {
        let mut bash = self.sandbox.bash(&format!("exec env {} --quiet", self.line(command)));
        bash.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
    }

    /// Seals a version of table `t`, and gives the report.
    #[track_caller]
    pub fn create(&self, tag: &str) -> Value {
        self.run(&format!("create --json --dataset t --tag {tag}")).ok().json()
    }

    /// Demands that every version is rebuilt along every path, and that the table is the newest.
    #[track_caller]
    pub fn is_whole(&self) {
        self.run("verify").ok().says(", whole; the table is the newest");
    }
}

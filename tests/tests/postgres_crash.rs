//! Whatever interrupts an import into PostgreSQL, the database holds the old dataset or the new one, whole, and
//! the next run succeeds. Budget: 60 s; the long form interrupts hundreds of times.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use golden_tests::{PgDatabase, Pgvector, Postgres, Sandbox, long_form};

/// A database in an old state, the document of a new one, and the digests of both.
struct Replacement<'s> {
    sandbox: Sandbox,
    template: PgDatabase<'s>,
    old: String,
    new: String,
    /// How long it takes.
    duration: Duration,
}

const IMPORT: [&str; 4] = ["--replace", "--no-embed", "--no-undo", "golden.json"];

impl<'s> Replacement<'s> {
    fn prepare(server: &'s Postgres, analyses: u64) -> Self {
        let sandbox = Sandbox::generated(analyses);
        sandbox.sh("golden-export --db app.db --output golden.json").ok();
        let template = server.database(Pgvector::Absent);
        let url = template.url();
        sandbox.sh(&format!("golden-import --init --no-embed --db '{url}' golden.json")).ok();
        template.sql(
            "UPDATE chunks SET content = 'old: ' || content WHERE chunk_index % 3 = 0;
             DELETE FROM chunks WHERE chunk_index % 7 = 6;
             DELETE FROM analyses WHERE id::text < '2';
             INSERT INTO analyses SELECT gen_random_uuid(), url, content_type, 'completed', created_at FROM analyses LIMIT 9;
             CREATE TABLE bookmarks (analysis_id uuid REFERENCES analyses (id) ON DELETE CASCADE);
             INSERT INTO bookmarks SELECT id FROM analyses WHERE id IN (SELECT analysis_id FROM chunks);",
        );
        let old = sandbox.digest(&format!("'{url}'"));
        let mut this = Self { sandbox, template, old, new: String::new(), duration: Duration::ZERO };
        let database = this.restart();
        let start = Instant::now();
        this.next_run_succeeds(&database);
        this.duration = start.elapsed();
        this.new = this.sandbox.digest(&format!("'{}'", database.url()));
        assert_ne!(this.new, this.old);
        this
    }

    /// A database in the old state.
    fn restart(&self) -> PgDatabase<'s> {
        self.template.wait_until_left();
        self.template.copy()
    }

    /// The state is one of the two, and whole; answers whether it is the new one.
    #[track_caller]
    fn is_new(&self, database: &PgDatabase<'_>, after: &str) -> bool {
        database.wait_until_left();
        let bookmarks = "SELECT count(*) FROM bookmarks JOIN analyses ON id = analysis_id";
        assert_eq!(database.rows(bookmarks), self.template.rows(bookmarks), "rows of the application {after}");
        let digest = self.sandbox.digest(&format!("'{}'", database.url()));
        assert!([&self.old, &self.new].contains(&&digest), "neither the old state nor the new {after}");
        digest == self.new
    }

    #[track_caller]
    fn next_run_succeeds(&self, database: &PgDatabase<'_>) {
        let import = format!("golden-import --db '{}' {}", database.url(), IMPORT.join(" "));
        self.sandbox.sh(&import).ok();
        let left = self.sandbox.sh("ls .local/state/golden").ok().text();
        assert_eq!(left, "", "a completed run leaves no staging file");
    }

    /// Interrupts an import at random moments.
    fn interrupted(&self, times: u32, mut interrupt: impl FnMut(&mut std::process::Child)) {
        let mut rng = Rng::with_seed(7);
        let mut new = 0;
        for time in 0..times {
            let database = self.restart();
            let moment = self.duration.mul_f64(rng.f64() * 1.05);
            let mut command = self.sandbox.command("golden-import");
            command.args(["--db", &database.url()]).args(IMPORT);
            let mut import = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
            thread::sleep(moment);
            interrupt(&mut import);
            import.wait().expect("it ends");
            new += u32::from(self.is_new(&database, &format!("after interruption {time} at {moment:?}")));
            self.next_run_succeeds(&database);
            assert!(self.is_new(&database, "after another run"));
        }
        println!("{times} interruptions within {:?}: {new} found the new state", self.duration);
    }
}

#[test]
fn sigkill_at_random_moments() {
    let Some(server) = Postgres::shared() else { return };
    let replacement = Replacement::prepare(server, 120);
    // It may have finished already.
    replacement.interrupted(if long_form() { 100 } else { 6 }, |import| drop(import.kill()));
}

#[test]
fn a_server_that_is_stopped_at_random_moments() {
    let Some(server) = Postgres::start("") else { return };
    let replacement = Replacement::prepare(&server, 120);
    replacement.interrupted(if long_form() { 50 } else { 4 }, |_| server.crash());
}

/// Passes on what goes through, and cuts the connection after so many bytes.
struct Proxy {
    port: u16,
    passed: Arc<AtomicU64>,
}

impl Proxy {
    fn new(server: u16, most: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let passed = Arc::new(AtomicU64::new(0));
        let counter = passed.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let [from, to] = [from, to].map(|end| end.try_clone().expect("a socket"));
                    let counter = counter.clone();
                    thread::spawn(move || pass(from, to, &counter, most));
                }
            }
        });
        Self { port, passed }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, passed: &AtomicU64, most: u64) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let before = passed.fetch_add(read as u64, Ordering::Relaxed);
        let room = usize::try_from(most.saturating_sub(before)).unwrap_or(usize::MAX).min(read);
        if to.write_all(&buffer[..room]).is_err() || room < read {
            break;
        }
    }
    // The other direction ends with this one.
    for end in [from, to] {
        let _ = end.shutdown(Shutdown::Both);
    }
}

#[test]
fn a_connection_that_is_cut() {
    let Some(server) = Postgres::shared() else { return };
    let replacement = Replacement::prepare(server, 40);
    let import = |database: &PgDatabase<'_>, proxy: &Proxy| {
        replacement.sandbox.sh(&format!("golden-import --db '{}' {}", database.url_at(proxy.port), IMPORT.join(" ")))
    };
    let database = replacement.restart();
    let whole = Proxy::new(server.port(), u64::MAX);
    import(&database, &whole).ok();
    let total = whole.passed.load(Ordering::Relaxed);
    let mut rng = Rng::with_seed(7);
    // The last bytes are the commit, its answer, and the statistics.
    let random = (0..if long_form() { 200 } else { 8 }).map(|_| rng.u64(..total));
    let end = (1..if long_form() { 200 } else { 10 }).map(|step| total - step * 19);
    let mut outcomes = [0, 0];
    for most in random.chain(end).collect::<Vec<_>>() {
        let database = replacement.restart();
        let run = import(&database, &Proxy::new(server.port(), most));
        let is_new = replacement.is_new(&database, &format!("after {most} of {total} bytes: {run}"));
        outcomes[usize::from(is_new)] += 1;
        match run.code {
            0 => assert!(is_new, "{run}"),
            3 if is_new => drop(run.one_error().says("whether the change was made")),
            _ => drop(run.exits(3).one_error()),
        }
        replacement.next_run_succeeds(&database);
        assert!(replacement.is_new(&database, "after another run"));
    }
    assert!(outcomes[0] > 0 && outcomes[1] > 0, "both outcomes are tried: {outcomes:?}");
}

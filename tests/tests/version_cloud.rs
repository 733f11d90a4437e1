//! Files of versions in object storage: whatever goes wrong on the way there, nothing half-written is referred to and the
//! next run succeeds; whatever is wrong there is told from a store that does not answer. Budget: 40 s.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use golden_tests::{Azurite, Run, S3, Sandbox, TestBucket, Trouble};

const SECRET: &str = "sEcReT-dO-nOt-TeLl";

/// Rows that take two parts of an upload.
const LARGE: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
    INSERT INTO t SELECT i, randomblob(200000) FROM n";

const ALWAYS: u32 = u32::MAX;

/// A database whose versions are in a bucket.
struct Cloud {
    sandbox: Sandbox,
    bucket: TestBucket,
}

impl Cloud {
    /// With a few rows, or a skip.
    fn small() -> Option<Self> {
        Self::with(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
                    INSERT INTO t SELECT i, 'row ' || i FROM n",
        )
    }

    /// With rows that take two parts of an upload, or a skip.
    fn large() -> Option<Self> {
        Self::with(LARGE)
    }

    fn with(rows: &str) -> Option<Self> {
        let bucket = S3::shared()?.bucket();
        let sandbox = Sandbox::new();
        sandbox.sql("app.db", "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, words)");
        sandbox.sql("app.db", rows);
        fs::create_dir(sandbox.path("tmp")).expect("a folder");
        Some(Self { sandbox, bucket })
    }

    fn line(&self, command: &str) -> String {
        // A test waits no longer than it must.
        format!(
            "TMPDIR=$PWD/tmp GOLDEN_RETRY_SECONDS=1 {} GOLDEN_SNAPSHOTS=${{FILES-s3://{}/team a/app}} \
             golden-version {command} --db app.db",
            self.bucket.environment(SECRET),
            self.bucket.name
        )
    }

    /// Runs a command, which tells no secret.
    #[track_caller]
    fn run(&self, command: &str) -> Run {
        self.sandbox.sh(&self.line(command)).never_says_of_secrets()
    }

    #[track_caller]
    fn create(&self, tag: &str) -> Run {
        self.run(&format!("create --dataset t --tag {tag}"))
    }

    /// Three versions.
    fn versions(&self) {
        self.create("v1").ok();
        self.change(2);
        self.create("v2").ok();
        self.change(3);
        self.create("v3").ok();
    }

    fn change(&self, number: u32) {
        self.sandbox.sql("app.db", &format!("UPDATE t SET words = words || '{number}' WHERE id % 7 = {number}"));
    }

    fn rows(&self) -> Vec<Vec<String>> {
        self.sandbox.rows("app.db", "SELECT * FROM t ORDER BY id")
    }

    fn value(&self, query: &str) -> String {
        self.sandbox.value("app.db", query)
    }

    /// Nothing is ready, nothing is referred to, and nothing lies about, there or here.
    #[track_caller]
    fn has_nothing(&self) {
        if self.value("SELECT count(*) FROM sqlite_schema WHERE name = 'dataset_versions'") == "1" {
            assert_eq!(
                self.value("SELECT count(*) FROM dataset_versions WHERE status = 'ready' OR snapshot_path IS NOT NULL"),
                "0"
            );
        }
        assert_eq!(self.bucket.unfinished_uploads(), [""; 0]);
        assert_eq!(fs::read_dir(self.sandbox.path("tmp")).expect("a folder").count(), 0);
    }

    #[track_caller]
    fn is_whole(&self) {
        self.bucket.way.clear();
        self.run("verify").ok().says(", whole; the table is the newest");
    }

    /// The next run succeeds, and all comes out as it was.
    #[track_caller]
    fn succeeds(&self) {
        self.bucket.way.clear();
        self.create("v1").ok();
        self.is_whole();
        assert_eq!(self.bucket.objects(), ["team a/app/t/v1.parquet"]);
        assert_eq!(self.bucket.unfinished_uploads(), [""; 0]);
    }
}

trait Discreet {
    fn never_says_of_secrets(self) -> Self;
}

impl Discreet for Run {
    #[track_caller]
    fn never_says_of_secrets(self) -> Self {
        assert!(!self.text().contains(SECRET) && !self.stderr.contains(SECRET), "a secret told");
        self
    }
}

#[test]
fn all_commands_work_from_a_bucket() {
    let Some(cloud) = Cloud::small() else { return };
    cloud.versions();
    let newest = cloud.rows();
    assert_eq!(cloud.bucket.objects(), ["team a/app/t/v1.parquet"]);
    let url = format!("s3://{}/team a/app/t/", cloud.bucket.name);
    let stored = |column: &str, tag: &str| {
        cloud.value(&format!("SELECT {column} FROM dataset_versions WHERE version_tag = '{tag}'"))
    };
    assert_eq!(stored("snapshot_path", "v1"), format!("'{url}v1.parquet'"));
    cloud.run("snapshot --dataset t --version v2").ok().says("is now s3://");
    cloud.run("snapshot --dataset t --version v2").ok().says("is already s3://");
    let local = format!("FILES=files; {}", cloud.line("snapshot --dataset t --version v3"));
    cloud.sandbox.sh(&local).ok().says("v3.parquet");
    assert_eq!(stored("snapshot_path", "v3"), "'t/v3.parquet'");
    cloud.sandbox.sql("app.db", "UPDATE dataset_versions SET snapshot_path = NULL WHERE version_tag = 'v3'");
    // What it holds is what is written into a folder.
    cloud.run("export --dataset t --version v2 --output v2.parquet").ok();
    assert_eq!(cloud.sandbox.read("v2.parquet"), cloud.bucket.object("team%20a/app/t/v2.parquet"));
    cloud.run("compact --dataset t --chain 0").ok().says("write a snapshot of v3").says("move");
    assert_eq!(cloud.value("SELECT count(*) FROM dataset_deltas"), "0");
    assert_eq!(stored("history_path", "v2"), format!("'{url}history/v2.parquet'"));
    cloud.bucket.way.clear();
    cloud.run("verify").ok().says("3 versions along").says(", whole; the table is the newest");
    for name in ["t/v1.parquet", "t/v2.parquet", "t/v3.parquet", "history/v2.parquet"] {
        assert_eq!(cloud.bucket.way.count("GET", name), 1, "{name} comes once");
    }
    // The database says where they are, whatever the folder of new ones is.
    for elsewhere in ["FILES=files", "FILES=file://$PWD/files", "FILES=s3://another/place"] {
        cloud.sandbox.sh(&format!("{elsewhere}; {}", cloud.line("verify"))).ok().says(", whole");
    }
    cloud.run("show --dataset t --version v2").ok().says("s3://");
    cloud.run("diff --dataset t v1 v3 --summary").ok().says("updated");
    cloud.run("log --dataset t").ok().says("v3");
    cloud.run("checkout --dataset t --version v1").ok();
    assert_ne!(cloud.rows(), newest);
    cloud.run("checkout --dataset t --version v3").ok();
    assert_eq!(cloud.rows(), newest);
    let lines = cloud.run("export --dataset t --version v1 --output - --format jsonl").ok();
    assert_eq!(lines.text().lines().count(), 300);
    assert!(!cloud.sandbox.files().contains(&"app.db.versions".to_owned()));
    assert_eq!(fs::read_dir(cloud.sandbox.path("tmp")).expect("a folder").count(), 0);
    let told = cloud.sandbox.read("app.db");
    assert!(!told.windows(SECRET.len()).any(|bytes| bytes == SECRET.as_bytes()), "a secret in the database");
}

#[test]
fn a_url_of_files_is_a_folder() {
    let sandbox = Sandbox::small();
    let version =
        |command: &str| sandbox.sh(&format!("GOLDEN_SNAPSHOTS=\"file://$PWD/my%20files\" golden-version {command}"));
    version("create --db app.db --dataset analyses --tag v1").ok();
    assert!(sandbox.path("my files/analyses/v1.parquet").is_file());
    assert_eq!(sandbox.value("app.db", "SELECT snapshot_path FROM dataset_versions"), "'analyses/v1.parquet'");
    sandbox.sql(
        "app.db",
        &format!(
            "UPDATE dataset_versions SET snapshot_path = 'file://{}/my%20files/analyses/v1.parquet'",
            sandbox.path("").display().to_string().trim_end_matches('/')
        ),
    );
    sandbox.sh("golden-version verify --db app.db").ok().says("whole");
}

#[test]
fn an_upload_that_is_cut_leaves_nothing() {
    let Some(cloud) = Cloud::large() else { return };
    cloud.bucket.way.trouble("PUT", 1, ALWAYS, Trouble::Cut);
    cloud.create("v1").exits(3).one_error().says("cannot write s3://").says("AWS_ENDPOINT");
    assert!(cloud.bucket.way.count("POST", "uploads") > 0 && cloud.bucket.way.count("PUT", "partNumber") > 1);
    cloud.has_nothing();
    assert_eq!(cloud.bucket.objects(), [""; 0]);
    // Once is made good.
    cloud.bucket.way.clear();
    cloud.bucket.way.trouble("PUT", 1, 1, Trouble::Cut);
    cloud.create("v1").ok();
    cloud.run("verify").ok();
    assert_eq!(cloud.bucket.unfinished_uploads(), [""; 0]);
}

#[test]
fn the_last_step_of_an_upload_that_fails_leaves_nothing() {
    let Some(cloud) = Cloud::large() else { return };
    // The first POST begins the upload, the second completes it.
    cloud.bucket.way.trouble("POST", 1, ALWAYS, Trouble::SlowDown);
    cloud.create("v1").exits(3).one_error().says("SlowDown");
    cloud.has_nothing();
    assert_eq!(cloud.bucket.objects(), [""; 0]);
    cloud.succeeds();
}

#[test]
fn a_store_that_is_busy() {
    let Some(cloud) = Cloud::small() else { return };
    cloud.bucket.way.trouble("PUT", 0, ALWAYS, Trouble::SlowDown);
    cloud.create("v1").exits(3).one_error().says("503").says("SlowDown");
    cloud.has_nothing();
    cloud.bucket.way.clear();
    for method in ["PUT", "HEAD", "GET"] {
        cloud.bucket.way.trouble(method, 0, 2, Trouble::SlowDown);
    }
    cloud.sandbox.sh(&cloud.line("create --dataset t --tag v1").replace("SECONDS=1", "SECONDS=20")).ok();
    cloud.is_whole();
}

#[test]
fn answers_that_come_late_or_never() {
    let Some(cloud) = Cloud::small() else { return };
    cloud.bucket.way.trouble("PUT", 0, ALWAYS, Trouble::Silence);
    let patient = |seconds: &str| {
        cloud.sandbox.sh(&format!("AWS_TIMEOUT={seconds}s {}", cloud.line("create --dataset t --tag v1")))
    };
    patient("1").exits(3).one_error().says("timed out");
    cloud.has_nothing();
    cloud.bucket.way.clear();
    cloud.bucket.way.trouble("PUT", 0, 1, Trouble::Late(Duration::from_millis(1500)));
    patient("20").ok();
    cloud.is_whole();
}

#[test]
fn refused() {
    let Some(cloud) = Cloud::small() else { return };
    cloud.bucket.way.trouble("PUT", 0, ALWAYS, Trouble::Refused);
    cloud.create("v1").exits(5).one_error().says("403 Forbidden, SignatureDoesNotMatch").says("AWS_ACCESS_KEY_ID");
    cloud.has_nothing();
    cloud.succeeds();
    // What cannot be looked at is not missing.
    for method in ["HEAD", "GET"] {
        cloud.bucket.way.trouble(method, 0, ALWAYS, Trouble::Refused);
        for command in
            ["verify", "export --dataset t --version v1 --output out.csv", "checkout --dataset t --version v1"]
        {
            cloud.run(command).exits(5).one_error().never_says("missing").says("AWS_ACCESS_KEY_ID");
        }
        cloud.bucket.way.clear();
    }
    assert!(!cloud.sandbox.files().contains(&"out.csv".to_owned()));
}

#[test]
fn a_store_that_cannot_be_reached() {
    let Some(cloud) = Cloud::small() else { return };
    cloud.succeeds();
    let port = cloud.bucket.way.port.to_string();
    let nowhere = |command: &str| cloud.sandbox.sh(&cloud.line(command).replace(&port, "1")).never_says_of_secrets();
    nowhere("verify").exits(3).one_error().never_says("missing").says("refused").says("AWS_ENDPOINT");
    cloud.change(2);
    nowhere("create --dataset t --tag v2").exits(3).one_error();
    assert_eq!(cloud.value("SELECT count(*) FROM dataset_versions WHERE status = 'ready'"), "1");
    // Nor is everything missing where the name of the bucket is wrong.
    cloud
        .sandbox
        .sql("app.db", "UPDATE dataset_versions SET snapshot_path = replace(snapshot_path, 'bucket', 'no-bucket')");
    cloud.run("verify").exits(3).one_error().never_says("missing").says("bucket of that name");
}

#[test]
fn what_is_stored_is_not_what_was_sent() {
    for cloud in [Cloud::small(), Cloud::large()].into_iter().flatten() {
        cloud.bucket.way.trouble("PUT", 0, ALWAYS, Trouble::Flipped);
        cloud.create("v1").exits(3).one_error().says("came back other than it was sent");
        cloud.has_nothing();
        cloud.succeeds();
    }
}

#[test]
fn files_that_are_lost_or_altered_later() {
    let Some(cloud) = Cloud::small() else { return };
    cloud.versions();
    cloud.run("snapshot --dataset t --version v3").ok();
    let (first, last) = ("team%20a/app/t/v1.parquet", "team%20a/app/t/v3.parquet");
    let mut bytes = cloud.bucket.object(first);
    bytes[100] ^= 1;
    cloud.bucket.put(first, &bytes);
    cloud.run("verify").exits(1).says("v1: a file was altered: s3://").never_says("missing");
    cloud.run("export --dataset t --version v1 --output v1.csv").ok().says("was altered");
    bytes.pop();
    cloud.bucket.put(first, &bytes);
    cloud.run("verify").exits(1).says("v1: a file was altered: s3://");
    cloud.bucket.delete(last);
    cloud.run("verify").exits(1).says("v3: a file is missing: s3://");
    cloud.run("snapshot --dataset t --version v1").ok().says("is now s3://");
    cloud.run("snapshot --dataset t --version v3").ok().says("is now s3://");
    cloud.run("verify").ok().says("whole");
}

#[test]
fn killed_in_the_middle_of_an_upload() {
    let Some(cloud) = Cloud::large() else { return };
    cloud.bucket.way.trouble("PUT", 1, ALWAYS, Trouble::Silence);
    let script = cloud.line("create --dataset t --tag v1 --quiet").replace("golden-version", "exec golden-version");
    let mut process =
        cloud.sandbox.bash(&script).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    cloud.bucket.way.wait_for("PUT", "partNumber", 2);
    process.kill().expect("it runs");
    process.wait().expect("it ends");
    assert_eq!(cloud.bucket.objects(), [""; 0]);
    assert_eq!(cloud.value("SELECT count(*) FROM dataset_versions WHERE status = 'ready'"), "0");
    // What it had here goes with a later run, for it may be as large as what was to be sent.
    let left = cloud.sandbox.sh("ls tmp").ok().text();
    assert_eq!(left.lines().count(), 1, "{left}");
    cloud.sandbox.sh("touch -d '10 minutes ago' tmp/*").ok();
    cloud.bucket.way.clear();
    cloud.create("v1").ok();
    assert_eq!(cloud.sandbox.sh("ls tmp").ok().text(), "");
    cloud.run("verify").ok().says("whole");
}

#[test]
fn azure() {
    let Some(azurite) = Azurite::start("box") else { return };
    let sandbox = Sandbox::new();
    sandbox.sql("app.db", &format!("CREATE TABLE t (id INTEGER PRIMARY KEY, words); {LARGE}"));
    let version = |command: &str| {
        sandbox.sh(&format!(
            "GOLDEN_RETRY_SECONDS=1 {} GOLDEN_SNAPSHOTS=az://box/app golden-version {command} --db app.db",
            azurite.environment()
        ))
    };
    version("create --dataset t --tag v1").ok();
    sandbox.sql("app.db", "UPDATE t SET words = id WHERE id % 7 = 2");
    version("create --dataset t --tag v2").ok();
    version("compact --dataset t --chain 0").ok().says("write a snapshot of v2");
    let stored =
        sandbox.rows("app.db", "SELECT snapshot_path, history_path FROM dataset_versions ORDER BY version_tag");
    assert_eq!(stored[1], ["'az://box/app/t/v2.parquet'", "'az://box/app/t/history/v2.parquet'"]);
    version("verify").ok().says("2 versions along").says(", whole; the table is the newest");
    version("checkout --dataset t --version v1").ok().says("7 updated");
    sandbox.sql("app.db", "UPDATE dataset_versions SET snapshot_path = replace(snapshot_path, 'v2', 'v3')");
    version("verify").exits(1).says("v2: a file is missing: az://box/app/t/v3.parquet");
    sandbox.sql("app.db", "UPDATE dataset_versions SET snapshot_path = replace(snapshot_path, '/box/', '/nobox/')");
    version("verify").exits(3).one_error().says("bucket of that name").never_says("missing");
    let other_key = azurite.environment().replace("Eby8", "AAAA");
    let run = sandbox.sh(&format!("{other_key} GOLDEN_RETRY_SECONDS=1 golden-version verify --db app.db"));
    run.exits(5).one_error().says("AZURE_STORAGE_ACCOUNT_KEY").never_says("AAAAvdM0");
}

#[test]
fn urls_that_are_none() {
    let sandbox = Sandbox::small();
    let create = |url: &str| {
        sandbox.sh(&format!("golden-version create --db app.db --dataset analyses --tag v1 --snapshots '{url}'"))
    };
    create("http://example.org/files").exits(2).one_error().says("http://example.org/files").says("s3://BUCKET/FOLDER");
    create("memory:///files").exits(2).one_error();
    create(&format!("s3://user:{SECRET}@bucket/files")).exits(2).one_error().never_says_of_secrets();
    create("s3://user@bucket/files").exits(2).one_error();
    create(&format!("az://box:{SECRET}@account.blob.core.windows.net/files"))
        .exits(2)
        .one_error()
        .never_says_of_secrets();
    create(&format!("az://container/files?sig={SECRET}")).exits(2).one_error().never_says_of_secrets();
    create("file://host/files").exits(2).one_error().says("three slashes");
    create("s3://bucket/a//b").exits(2).one_error();
    let patience = "GOLDEN_RETRY_SECONDS=long golden-version create --db app.db --dataset analyses --tag v1";
    sandbox.sh(&format!("{patience} --snapshots s3://bucket")).exits(2).one_error().says("GOLDEN_RETRY_SECONDS");
}

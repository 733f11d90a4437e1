//! Published tables in object storage: the same versions, whoever else publishes and whatever goes wrong on the way.
//! Budget: 30 s.

use golden_tests::{Run, S3, Sandbox, TestBucket, Trouble};

const SECRET: &str = "sEcReT-dO-nOt-TeLl";

/// A dataset of three versions, and a bucket.
struct Cloud {
    sandbox: Sandbox,
    bucket: TestBucket,
}

impl Cloud {
    fn new() -> Option<Self> {
        let (sandbox, bucket) = (Sandbox::new(), S3::shared()?.bucket());
        sandbox.sql(
            "app.db",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, words TEXT);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
             INSERT INTO t SELECT i, 'row ' || i FROM n",
        );
        for version in 1..=3 {
            sandbox.sh(&format!("golden-version create --db app.db --dataset t --tag v{version}")).ok();
            sandbox.sql("app.db", &format!("UPDATE t SET words = words || '!' WHERE id % 40 = {version}"));
        }
        Some(Self { sandbox, bucket })
    }

    fn line(&self, command: &str) -> String {
        let (environment, name) = (self.bucket.environment(SECRET), &self.bucket.name);
        format!(
            "GOLDEN_RETRY_SECONDS=1 {environment} golden-version {command} s3://{name}/lake/t --db app.db --dataset t"
        )
    }

    fn run(&self, command: &str) -> Run {
        self.sandbox.sh(&self.line(command)).never_says(SECRET)
    }

    #[track_caller]
    fn is_whole(&self) {
        self.run("verify --published").ok().says("3 of 3 published versions are whole; 0 are not published");
    }
}

#[test]
fn versions_go_into_a_bucket_and_come_back() {
    let Some(cloud) = Cloud::new() else { return };
    cloud.run("publish --to").ok().says("3 of them new");
    cloud.is_whole();
    let objects = cloud.bucket.objects();
    assert_eq!(objects.iter().filter(|name| name.starts_with("lake/t/_delta_log/")).count(), 3, "{objects:?}");
    assert_eq!(objects.iter().filter(|name| name.starts_with("lake/t/deletion_vector_")).count(), 2, "{objects:?}");
    cloud.run("publish --to").ok().says("0 of them new");
    assert_eq!(cloud.bucket.objects(), objects);
    for name in objects.iter().filter(|name| !name.ends_with("2.json")) {
        let mut bytes = cloud.bucket.object(name);
        *bytes.last_mut().expect("a byte") ^= 1;
        let was = cloud.bucket.object(name);
        cloud.bucket.put(name, &bytes);
        cloud.run("verify --published").exits(1).says(name);
        cloud.bucket.delete(name);
        cloud.run("verify --published").exits(1).says(name);
        cloud.bucket.put(name, &was);
    }
    cloud.is_whole();
}

#[test]
fn two_who_publish_at_once_make_each_version_once() {
    let Some(cloud) = Cloud::new() else { return };
    let line = cloud.line("publish --quiet --to");
    cloud.sandbox.sh(&format!("{line} & one=$!; {line} & two=$!; wait $one && wait $two")).ok();
    cloud.is_whole();
    let objects = cloud.bucket.objects();
    assert_eq!(objects.iter().filter(|name| name.starts_with("lake/t/_delta_log/")).count(), 3, "{objects:?}");
}

#[test]
fn a_store_that_fails_leaves_whole_versions() {
    let Some(cloud) = Cloud::new() else { return };
    // Each run gets a little further: version 1 is two objects, the others are three.
    for skip in 0..4 {
        cloud.bucket.way.trouble("PUT", skip, u32::MAX, Trouble::SlowDown);
        cloud.run("publish --to").exits(3).one_error().says("SlowDown");
        cloud.bucket.way.clear();
        let verify = cloud.run("verify --published");
        assert!(verify.code == 0 || verify.stderr.contains("no published table"), "after {skip}: {verify}");
    }
    cloud.run("publish --to").ok();
    cloud.is_whole();
}

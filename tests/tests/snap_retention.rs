//! The rules of retention are those of restic's `forget`: both get the same dates and the same policies, and
//! the same snapshots stay. Budget: 40 s; the long form has 660 dates and 400 policies and takes some minutes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fastrand::Rng;
use golden_tests::{MadeUp, Sandbox, long_form, tools_present};
use serde_json::{Value, json};

/// Days on which clocks were put forward or back, leap days, ends of months, weeks that begin in another year.
const REMARKABLE: [&str; 40] = [
    "20000229_000000",
    "20000229_235959",
    "20000301_000000",
    "20200229_120000",
    "20201231_235959",
    "20210101_000000",
    "20210103_235959",
    "20210104_000000",
    "20230228_120000",
    "20230301_000000",
    "20240131_120000",
    "20240228_235959",
    "20240229_000000",
    "20240229_120000",
    "20240301_000000",
    "20240310_065959",
    "20240310_070000",
    "20240310_080000",
    "20240330_233000",
    "20240331_003000",
    "20240331_005959",
    "20240331_010000",
    "20240331_013000",
    "20240331_233000",
    "20240430_120000",
    "20240531_120000",
    "20241026_233000",
    "20241027_003000",
    "20241027_010000",
    "20241027_013000",
    "20241027_233000",
    "20241103_055959",
    "20241103_060000",
    "20241229_235959",
    "20241230_000000",
    "20241231_235959",
    "20250101_000000",
    "20250228_235959",
    "20250331_095959",
    "20250331_100000",
];

/// The newest of each history, as counting back from the end of a month or from a leap day is not the same
/// as from any other day.
const NEWEST: [&str; 3] = ["20250331_100000", "20240229_120000", "20250115_003000"];

/// A date, and what is tagged there.
type Dated = (String, Vec<&'static str>);

/// So many dates up to `newest`: all remarkable ones, clusters of hours, days and years, a few in one second.
fn history(rng: &mut Rng, newest: &str, size: usize) -> Vec<Dated> {
    let mut dates: Vec<String> = REMARKABLE.iter().map(|date| (*date).to_owned()).collect();
    dates.push(newest.to_owned());
    let year: u32 = newest[..4].parse().expect("a year");
    while dates.len() < size {
        let (years, months, days) = match rng.u8(..4) {
            0 => (year..=year, 1..=12, 1..=28),
            1 => (year - 1..=year, 1..=12, 1..=28),
            2 => (year - 1..=year - 1, 12..=12, 20..=31),
            _ => (2005..=year, 1..=12, 1..=28),
        };
        let hour = if rng.bool() { rng.u32(9..12) } else { rng.u32(..24) };
        let (year, month, day) = (rng.u32(years), rng.u32(months), rng.u32(days));
        let date = format!("{year}{month:02}{day:02}_{hour:02}{:02}{:02}", rng.u32(..60), rng.u32(..60));
        let times = if rng.u8(..20) == 0 { 3 } else { 1 };
        dates.extend(std::iter::repeat_n(date, times));
    }
    dates.retain(|date| date.as_str() <= newest);
    dates.sort();
    // What is of one second has the same tags: restic puts it in no order.
    let mut tags = BTreeMap::new();
    let mut tagged = |date: String| {
        let some = || [vec![], vec![], vec![], vec!["gold"], vec!["gold", "release"]][rng.usize(..5)].clone();
        let tags = tags.entry(date.clone()).or_insert_with(some).clone();
        (date, tags)
    };
    dates.into_iter().map(&mut tagged).collect()
}

/// A folder of backups, and the snapshots of restic's that have the same dates, those of one host.
struct History {
    name: String,
    dates: Vec<Dated>,
}

impl History {
    fn put(&self, sandbox: &Sandbox) {
        let folder = sandbox.path(&self.name);
        std::fs::create_dir(&folder).expect("a folder");
        let mut times = BTreeMap::new();
        for (date, tags) in &self.dates {
            let time: &mut u32 = times.entry(date).or_default();
            *time += 1;
            let stamp = if *time == 1 { date.clone() } else { format!("{date}_{time}") };
            MadeUp::dated(&stamp).without("indexes").with("tags", json!(tags)).put_manifest(&folder);
        }
    }

    /// What stays by our rules.
    fn ours(&self, sandbox: &Sandbox, policy: &[String]) -> Ours {
        let mut command = sandbox.command("faiss-snap");
        command.args(["prune", "--dry-run", "--json", "--backups", &self.name]).args(policy);
        command.env("TZ", "America/New_York");
        let report = sandbox.run(command).ok().json();
        let mut ours = Ours::default();
        for snapshot in report["snapshots"].as_array().expect("snapshots") {
            let fate = &snapshot["halves"]["db"];
            let reasons: Vec<_> =
                fate["reasons"].as_array().expect("reasons").iter().filter_map(Value::as_str).collect();
            if reasons == ["no newer one is without errors"] {
                ours.added += 1;
            } else if fate["fate"] == "keep" {
                let second = &snapshot["stamp"].as_str().expect("a stamp")[..15];
                if reasons.iter().all(|reason| reason.ends_with("(the oldest)")) {
                    ours.oldest = Some(second.to_owned());
                }
                *ours.staying.entry(second.to_owned()).or_default() += 1;
            }
        }
        ours
    }
}

/// What stays by our rules.
#[derive(Default)]
struct Ours {
    /// How many of each second.
    staying: BTreeMap<String, usize>,
    /// How many beyond these, by what restic has not.
    added: usize,
    /// One that stays for nothing but being the oldest, while counts are not used up.
    oldest: Option<String>,
}

impl Ours {
    /// Without what restic keeps since some later version than 0.14.
    fn without_oldest(&self) -> BTreeMap<String, usize> {
        let mut staying = self.staying.clone();
        if let Some(count) = self.oldest.as_ref().and_then(|oldest| staying.get_mut(oldest)) {
            *count -= 1;
        }
        staying.retain(|_, count| *count > 0);
        staying
    }
}

struct Repository<'s>(&'s Sandbox);

impl Repository<'_> {
    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.0.bash("exec restic --no-cache --quiet \"$@\"");
        command.arg("restic").args(arguments);
        command.env("RESTIC_REPOSITORY", self.0.path("restic")).env("RESTIC_PASSWORD", "tests").env("GOMAXPROCS", "2");
        command
    }

    fn make(&self, histories: &[History]) {
        self.0.run(self.command(&["init"])).ok();
        self.0.write("tiny", "one byte or two");
        let all = histories.iter().flat_map(|history| history.dates.iter().map(move |dated| (&history.name, dated)));
        in_parallel(&all.collect::<Vec<_>>(), |(host, (date, tags))| {
            let digit = |range: std::ops::Range<usize>| &date[range];
            let day = format!("{}-{}-{}", digit(0..4), digit(4..6), digit(6..8));
            let time = format!("{day} {}:{}:{}", digit(9..11), digit(11..13), digit(13..15));
            let mut command = self.command(&["backup", "--force", "--host", host, "--time", &time, "tiny"]);
            for tag in tags {
                command.args(["--tag", tag]);
            }
            self.0.run(command).ok();
        });
    }

    /// What stays, by history and second.
    fn forget(&self, policy: &[String]) -> BTreeMap<String, BTreeMap<String, usize>> {
        let mut command = self.command(&["forget", "--dry-run", "--no-lock", "--json", "--group-by", "host"]);
        // It knows no word for it that all its versions take.
        command.args(policy.iter().map(|argument| if argument == "unlimited" { "1000000" } else { argument }));
        let groups = self.0.run(command).ok().json();
        let mut staying = BTreeMap::new();
        for group in groups.as_array().expect("groups") {
            let seconds: &mut BTreeMap<_, _> =
                staying.entry(group["host"].as_str().expect("a host").to_owned()).or_default();
            for kept in group["keep"].as_array().map(Vec::as_slice).unwrap_or_default() {
                let time = kept["time"].as_str().expect("a time");
                assert!(time.ends_with('Z'), "{time}");
                let digits: String = time.chars().filter(char::is_ascii_digit).collect();
                *seconds.entry(format!("{}_{}", &digits[..8], &digits[8..14])).or_default() += 1;
            }
        }
        staying
    }
}

fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let worker = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(item);
        }
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(worker);
        }
    });
}

fn policy(rng: &mut Rng) -> Vec<String> {
    let mut options = Vec::new();
    for rule in ["last", "hourly", "daily", "weekly", "monthly", "yearly"] {
        if rng.u8(..10) < 3 {
            let count = match rng.u8(..10) {
                0 => "unlimited".to_owned(),
                1..=3 => rng.u32(10..40).to_string(),
                _ => rng.u32(1..8).to_string(),
            };
            options.extend([format!("--keep-{rule}"), count]);
        }
    }
    if rng.u8(..10) < 3 {
        let units = [('y', 3), ('m', 14), ('d', 60), ('h', 50)];
        let mut within = String::new();
        for (unit, most) in units {
            if rng.bool() {
                within += &format!("{}{unit}", rng.u32(1..most));
            }
        }
        if !within.is_empty() {
            options.extend(["--keep-within".to_owned(), within]);
        }
    }
    if rng.u8(..10) < 2 {
        let tags = ["gold", "release", "gold,release"];
        options.extend(["--keep-tag".to_owned(), tags[rng.usize(..tags.len())].to_owned()]);
    }
    if options.is_empty() { policy(rng) } else { options }
}

#[test]
fn what_stays_is_what_restic_would_keep() {
    if !tools_present(&["restic"]) {
        return;
    }
    let (dates, policies) = if long_form() { (220, 400) } else { (48, 70) };
    let sandbox = Sandbox::new();
    let mut rng = Rng::with_seed(20_250_331);
    let history = |(number, newest): (usize, &&str)| History {
        name: format!("history{number}"),
        dates: history(&mut rng, newest, dates),
    };
    let histories: Vec<_> = NEWEST.iter().enumerate().map(history).collect();
    histories.iter().for_each(|history| history.put(&sandbox));
    let repository = Repository(&sandbox);
    repository.make(&histories);

    let (compared, oldest) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let policies: Vec<_> = (0..policies).map(|_| policy(&mut rng)).collect();
    in_parallel(&policies, |policy| {
        let of_restic = repository.forget(policy);
        assert_eq!(of_restic.len(), histories.len());
        for history in &histories {
            let ours = history.ours(&sandbox, policy);
            let restics = &of_restic[&history.name];
            if ours.staying != *restics {
                assert_eq!(ours.without_oldest(), *restics, "{} with {policy:?}", history.name);
                oldest.fetch_add(1, Ordering::Relaxed);
            }
            assert!(ours.added == 0 || ours.added == 1 && policy[0] == "--keep-tag", "{policy:?}");
            compared.fetch_add(1, Ordering::Relaxed);
        }
    });
    let snapshots: usize = histories.iter().map(|history| history.dates.len()).sum();
    println!(
        "{} policies over {snapshots} snapshots, {} comparisons; in {} we keep the oldest and this restic does not",
        policies.len(),
        compared.into_inner(),
        oldest.into_inner()
    );
}

#[test]
fn where_we_are_not_like_restic() {
    if !tools_present(&["restic"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let dated = |date: &str| (date.to_owned(), Vec::new());
    let mut dates = ["20250101_000000", "20250102_000000", "20990101_000000", "20990102_000000"].map(dated).to_vec();
    dates[0].1.push("gold");
    let history = History { name: "history".to_owned(), dates };
    history.put(&sandbox);
    let repository = Repository(&sandbox);
    repository.make(std::slice::from_ref(&history));
    let cases: [(&[&str], &[&str], &[&str]); 3] = [
        // What is dated in the future stays, and takes nobody's place.
        (&["--keep-last", "1"], &["20990102_000000"], &["20250102_000000", "20990101_000000", "20990102_000000"]),
        // The newest stays, whatever the rules say.
        (&["--keep-tag", "gold"], &["20250101_000000"], &["20250101_000000", "20990101_000000", "20990102_000000"]),
        (
            &["--keep-within", "1h"],
            &["20250102_000000", "20990101_000000", "20990102_000000"],
            &["20250102_000000", "20990101_000000", "20990102_000000"],
        ),
    ];
    for (policy, of_restic, of_ours) in cases {
        let policy: Vec<_> = policy.iter().map(|argument| (*argument).to_owned()).collect();
        let seconds = |dates: &[&str]| dates.iter().map(|date| ((*date).to_owned(), 1)).collect::<BTreeMap<_, _>>();
        assert_eq!(repository.forget(&policy)["history"], seconds(of_restic), "{policy:?}");
        let ours = history.ours(&sandbox, &policy);
        assert_eq!(ours.staying, seconds(of_ours), "{policy:?}");
        assert_eq!(ours.added, usize::from(policy[0] == "--keep-tag"), "{policy:?}");
    }
}

#[test]
fn every_rule_is_there_for_each_half_and_for_both() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("backups")).expect("a folder");
    // Two in an hour, a day, a week, a month, a year, and the next year's.
    let dates = [
        "20230601_000000",
        "20240105_000000",
        "20240403_000000",
        "20240415_000000",
        "20240416_000000",
        "20240417_080000",
        "20240417_093000",
        "20240417_094500",
    ];
    dates.iter().for_each(|date| MadeUp::dated(date).put(&sandbox.path("backups")));
    for (rule, expected) in [
        ("last 2", &[6, 7][..]),
        ("hourly 2", &[5, 7]),
        ("daily 2", &[4, 7]),
        ("weekly 2", &[2, 7]),
        ("monthly 2", &[1, 7]),
        ("yearly 2", &[0, 7]),
        ("within 1d", &[5, 6, 7]),
        ("last unlimited", &[0, 1, 2, 3, 4, 5, 6, 7]),
    ] {
        let (name, value) = rule.split_once(' ').expect("a rule");
        for (end, affected) in [("", &["db", "faiss"][..]), ("-db", &["db"]), ("-faiss", &["faiss"])] {
            let report =
                sandbox.sh(&format!("faiss-snap prune --dry-run --json --keep-{name}{end} {value}")).ok().json();
            let rows = report["snapshots"].as_array().expect("snapshots");
            for half in ["db", "faiss"] {
                let is_kept = |row: &Value| row["halves"][half]["fate"] == "keep";
                let kept: Vec<_> = (0..rows.len()).filter(|&number| is_kept(&rows[number])).collect();
                let all: Vec<_> = (0..dates.len()).collect();
                let expected = if affected.contains(&half) { expected } else { &all[..] };
                assert_eq!(kept, expected, "--keep-{name}{end} {value}: {half}");
            }
        }
    }
}

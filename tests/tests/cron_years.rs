//! Years of cron: every night a snapshot and a pruning, every month a drill, on a clock that is put forward and back for
//! summer, is wrong for days, over missed runs and on a disk that is full for a while. What stays is what the policy
//! names, told here once more and more simply; and at every step what is there is whole. Budget: 40 s; the long form is
//! of two years and takes some minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use golden_tests::{Sandbox, clock_library, long_form, tools_present};

/// The rules of the simulation: for databases, with the counts for index folders beside them where they differ.
const DAILY: usize = 7;
const WEEKLY: usize = 5;
const MONTHLY: [usize; 2] = [12, 3];
const YEARLY: usize = 2;

const DAY: i64 = 86_400;
/// 2024-01-01T00:00:00Z, a Monday.
const BEGIN: i64 = 1_704_067_200;

/// One night of the script.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Night {
    /// What the clock says, in seconds since 1970.
    clock: i64,
    /// So many kilobytes of the disk are free; none where it is not full.
    room: Option<u64>,
    drill: bool,
}

/// The nights from one day after [`BEGIN`] to another, with all that happens in a hundred of them.
fn nights(days: std::ops::Range<i64>) -> Vec<Night> {
    let mut nights = Vec::new();
    for day in days {
        let local = BEGIN + day * DAY + 90 * 60;
        let clock = local - if is_summer(local) { 7_200 } else { 3_600 };
        let mut night = Night { clock, room: None, drill: civil(day).2 == 1 };
        match day % 100 {
            // The machine is off.
            50..57 => continue,
            // The clock falls back by weeks, then is right again.
            70..73 => night.clock -= (10 + day / 10) * DAY + 1_000,
            // Once it is years ahead.
            80 if day == 480 => night.clock += 2_000 * DAY,
            // From no room at all to almost enough.
            89..94 => night.room = Some((day as u64 % 100 - 89) * 12),
            _ => {}
        }
        nights.push(night);
    }
    nights
}

/// Whether a time of Central Europe's, as if in winter, is in summer: from the last Sunday of March to that of October.
fn is_summer(local: i64) -> bool {
    let day = (local - BEGIN).div_euclid(DAY);
    let (year, ..) = civil(day);
    let last_sunday = |month| {
        let mut last = (day - 366..day + 367).filter(|day| civil(*day).0 == year && civil(*day).1 == month);
        // BEGIN was a Monday.
        BEGIN + last.rfind(|day| day.rem_euclid(7) == 6).expect("a Sunday") * DAY
    };
    (last_sunday(3) + 7_200..last_sunday(10) + 7_200).contains(&local)
}

/// Year, month and day of a day after [`BEGIN`].
fn civil(day: i64) -> (i64, i64, i64) {
    let days = day + BEGIN / DAY + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let month_of_year = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month_of_year <= 2), month_of_year, of_year - (153 * month + 2) / 5 + 1)
}

fn stamp(clock: i64) -> String {
    let (year, month, day) = civil((clock - BEGIN).div_euclid(DAY));
    let second = clock.rem_euclid(DAY);
    format!("{year}{month:02}{day:02}_{:02}{:02}{:02}", second / 3_600, second / 60 % 60, second % 60)
}

/// What should be there, told independently of the program: times and whether a drill was passed.
#[derive(Default)]
struct Expected {
    halves: [BTreeSet<i64>; 2],
    passed: BTreeSet<i64>,
}

impl Expected {
    /// The newest of either half: what `latest` is.
    fn latest(&self) -> Option<i64> {
        self.halves.iter().filter_map(|half| half.last()).max().copied()
    }

    fn take(&mut self, now: i64) {
        for half in &mut self.halves {
            half.insert(now);
        }
    }

    fn prune(&mut self, now: i64) {
        for (half, monthly) in self.halves.iter_mut().zip(MONTHLY) {
            let past: Vec<_> = half.iter().rev().filter(|time| **time <= now).copied().collect();
            let mut stay: BTreeSet<_> = half.iter().filter(|time| **time > now).copied().collect();
            stay.extend(past.iter().find(|time| self.passed.contains(time)));
            let day = |time: i64| (time - BEGIN).div_euclid(DAY);
            let week = |time: i64| day(time).div_euclid(7);
            let month = |time: i64| civil(day(time)).0 * 12 + civil(day(time)).1;
            let year = |time: i64| civil(day(time)).0;
            let rules: [(usize, &dyn Fn(i64) -> i64); 4] =
                [(DAILY, &day), (WEEKLY, &week), (monthly, &month), (YEARLY, &year)];
            for (count, period) in rules {
                let mut newest_of = BTreeMap::new();
                for time in &past {
                    newest_of.entry(period(*time)).or_insert(*time);
                }
                stay.extend(newest_of.values().rev().take(count));
                if newest_of.len() < count {
                    stay.extend(past.last());
                }
            }
            half.retain(|time| stay.contains(time));
        }
    }

    /// The names in the folder of backups that are snapshots'.
    fn names(&self) -> BTreeSet<String> {
        let [databases, folders] = &self.halves;
        let databases = databases.iter().map(|time| format!("app_{}.db", stamp(*time)));
        databases.chain(folders.iter().map(|time| format!("faiss_{}", stamp(*time)))).collect()
    }
}

/// What the machine does, for lines of clock, free kilobytes or `-`, and whether there is a drill.
const MACHINE: &str = r#"
at() { LD_PRELOAD=$LIBRARY NO_FAKE_STAT=1 DONT_FAKE_MONOTONIC=1 FAKETIME_FMT=%s FAKETIME=$clock TZ=Europe/Berlin "$@" >/dev/null 2>>log; }
look() {
  echo "$1 $2"
  (cd $BACKUPS && printf '%s\n' app_2* faiss_2*)
  at faiss-snap verify --all --backups $BACKUPS
  echo "verify $?"
}
while read -r clock room drill; do
  echo "UPDATE a SET x = $clock" | sqlite3 data/app.db
  echo "$clock" > data/faiss/notes.txt
  rm -f small/ballast
  if [[ $room != - ]]; then
    cat /dev/zero > small/ballast 2>/dev/null
    truncate -s -"$room"K small/ballast
  fi
  echo "night $clock"
  at faiss-snap create --backups $BACKUPS
  look create $?
  if [[ $drill == yes ]]; then
    at faiss-snap drill --only snapshot --scratch . --backups $BACKUPS
    look drill $?
  fi
  at faiss-snap prune --backups $BACKUPS $POLICY
  look prune $?
done < nights
"#;

/// What a step said, and what was there after it.
struct Step {
    what: String,
    code: i32,
    names: BTreeSet<String>,
    verified: i32,
}

/// The steps of each night, out of what [`MACHINE`] printed.
fn steps(log: &str) -> Vec<Vec<Step>> {
    let mut nights: Vec<Vec<Step>> = Vec::new();
    for line in log.lines() {
        match line.split_once(' ') {
            Some(("night", _)) => nights.push(Vec::new()),
            Some(("verify", code)) => {
                let step = nights.last_mut().and_then(|night| night.last_mut()).expect("a step");
                step.verified = code.parse().expect("a code");
            }
            Some((what, code)) => {
                let step = Step {
                    what: what.to_owned(),
                    code: code.parse().expect("a code"),
                    names: BTreeSet::new(),
                    verified: -1,
                };
                nights.last_mut().expect("a night").push(step);
            }
            // Nothing is there of what a pattern stands for.
            None if line.ends_with('*') => {}
            None => {
                let step = nights.last_mut().and_then(|night| night.last_mut()).expect("a step");
                step.names.insert(line.to_owned());
            }
        }
    }
    nights
}

#[test]
fn what_stays_is_what_the_policy_names_and_it_is_whole_every_night() {
    let Some(library) = clock_library() else { return };
    if !tools_present(&["sqlite3"]) {
        return;
    }
    // In the short form, around both days on which clocks are changed, and with months between.
    let mut nights = if long_form() { nights(0..730) } else { [nights(45..101), nights(270..320)].concat() };
    let sandbox = Sandbox::application();
    sandbox.sh("rm -r data/app.db data/faiss/* && echo 'CREATE TABLE a (x); INSERT INTO a VALUES (0)' | sqlite3 data/app.db").ok();
    let mut lines = String::new();
    for Night { clock, room, drill } in &nights {
        let room = room.map_or_else(|| "-".to_owned(), |room| room.to_string());
        let _ = writeln!(lines, "{clock} {room} {}", if *drill { "yes" } else { "no" });
    }
    let policy = format!(
        "--keep-daily {DAILY} --keep-weekly {WEEKLY} --keep-yearly {YEARLY} --keep-monthly-db {} --keep-monthly-faiss {}",
        MONTHLY[0], MONTHLY[1]
    );
    let library = library.display();
    let machine = |backups: &str| format!("LIBRARY={library} BACKUPS={backups} POLICY='{policy}'\n{MACHINE}");
    sandbox.write("nights", &lines);
    sandbox.write("machine.sh", machine("small/backups"));
    let run = sandbox.on_a_small_disk(6_000, "mkdir small/backups && bash machine.sh").unwrap_or_else(|| {
        // Everything but the full disk.
        nights.iter_mut().for_each(|night| night.room = None);
        sandbox.sh("sed -i -E 's/ [0-9]+ / - /' nights && mkdir -p small/backups && bash machine.sh")
    });
    let run = run.ok();
    let said = String::from_utf8_lossy(&sandbox.read("log")).into_owned();
    let nightly = steps(&run.text());
    assert_eq!(nightly.len(), nights.len(), "{run}");

    let mut expected = Expected::default();
    let mut failed = 0;
    for (night, steps) in nights.iter().zip(&nightly) {
        for Step { what, code, names, verified } in steps {
            let place = format!("{night:?}, {what} ended with {code}:\n{said}");
            match (what.as_str(), code) {
                ("create", 0) => expected.take(night.clock),
                ("drill", 0) => expected.passed.extend(expected.latest()),
                ("prune", 0) => expected.prune(night.clock),
                // Where the disk is full, what cannot be done is not done by half.
                (_, 3) if night.room.is_some() => failed += 1,
                _ => panic!("{place}"),
            }
            assert_eq!(*names, expected.names(), "{place}");
            assert!(!names.is_empty() && *verified == 0, "{place}");
        }
    }
    assert!(failed > 0 || nights.iter().all(|night| night.room.is_none()), "the disk was never full");
    let left = expected.halves.each_ref().map(BTreeSet::len);
    println!("{} nights, {failed} steps without room; {left:?} databases and index folders are left", nights.len());
}

#[test]
fn the_nights_are_those_of_the_calendar() {
    let of = |day| stamp(nights(day..day + 1)[0].clock);
    // Half past one is half past midnight UTC in winter, and half past eleven of the day before in summer.
    assert_eq!([of(90), of(91)], ["20240331_003000", "20240331_233000"]);
    assert_eq!([of(300), of(301)], ["20241026_233000", "20241028_003000"]);
    assert_eq!([of(0), of(59), of(60)], ["20240101_003000", "20240229_003000", "20240301_003000"]);
    assert!(nights(50..57).is_empty());
}

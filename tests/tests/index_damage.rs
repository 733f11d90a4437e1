//! Damaged index files: the reader says what is wrong, or that it looks whole, and never ends, hangs or grows; what
//! FAISS makes of those that look whole is a finding, whatever happens to FAISS. Budget: 40 s. The long form
//! damages each type 10,000 times.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::time::{Duration, Instant};

use faiss_snap::deep::{DeepCheck, Outcome};
use faiss_snap::index_file::{Inspection, inspect_reader};
use fastrand::Rng;
use golden_tests::{Sandbox, Specimen, Zoo, faiss_index, long_form};

/// What the reader may need, for any file, beside the file.
const MEMORY: u64 = 64 << 20;

/// Ways to damage a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Damage {
    /// The end is missing.
    Truncated,
    /// A bit is another, anywhere.
    Bit,
    /// A bit is another among the first bytes, where the types and sizes are.
    HeadBit,
    /// A number among the first bytes is one that sizes should not be.
    Number,
    /// Random bytes from some place on, or all of them.
    Garbage,
    /// More bytes than there should be.
    Longer,
}

const DAMAGES: [Damage; 6] =
    [Damage::Truncated, Damage::Bit, Damage::HeadBit, Damage::Number, Damage::Garbage, Damage::Longer];

impl Damage {
    /// A damaged copy; it differs from the original.
    fn of(self, original: &[u8], random: &mut Rng) -> Vec<u8> {
        let mut bytes = original.to_vec();
        let head = 100.min(bytes.len());
        match self {
            Self::Truncated => bytes.truncate(random.usize(..bytes.len())),
            Self::Bit => {
                let at = random.usize(..bytes.len());
                bytes[at] ^= 1 << random.u8(..8);
            }
            Self::HeadBit => bytes[random.usize(..head)] ^= 1 << random.u8(..8),
            Self::Number => {
                let numbers = [0, 1, 2, 301, 1 << 31, 1 << 32, 1 << 39, 1 << 61, i64::MAX, -1, i64::MIN];
                let number = random.choice(numbers).expect("a number");
                let at = random.usize(..head - 8);
                let width = if random.bool() { 4 } else { 8 };
                bytes[at..at + width].copy_from_slice(&number.to_le_bytes()[..width]);
            }
            Self::Garbage => {
                let from = if random.bool() { 4 } else { random.usize(..bytes.len()) };
                bytes[from..].fill_with(|| random.u8(..));
            }
            Self::Longer => bytes.extend((0..random.usize(1..64)).map(|_| random.u8(..))),
        }
        if bytes == original { Self::Bit.of(original, random) } else { bytes }
    }
}

/// How often a kind of damage was done, and who found it.
#[derive(Default)]
struct Tally {
    done: u64,
    by_reader: u64,
    /// Of those that the reader passed, how many FAISS was given.
    given: u64,
    by_faiss: u64,
    /// Of these, how often FAISS was ended by a signal or the clock.
    ended: u64,
}

fn memory_used() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

#[test]
fn damage_is_found_or_survived() {
    let zoo = Zoo::newest().unwrap_or_else(|| Zoo::kept("1.12.0"));
    let program = faiss_index();
    let sandbox = Sandbox::new();
    let (each, given) = if long_form() { (10_000, 400) } else { (300, 1) };
    let before = memory_used();
    let mut tallies: BTreeMap<Damage, Tally> = BTreeMap::new();
    let mut slowest = Duration::ZERO;
    for specimen in &zoo.specimens {
        let original = fs::read(&specimen.path).expect("an index");
        let is_unknown = matches!(inspected(&original), Inspection::Unknown(_));
        let mut random = Rng::with_seed(11);
        let mut left = given;
        for number in 0..each {
            let damage = DAMAGES[number % DAMAGES.len()];
            let bytes = damage.of(&original, &mut random);
            let started = Instant::now();
            let inspection = inspected(&bytes);
            slowest = slowest.max(started.elapsed());
            read_all(&inspection, &bytes);
            if is_unknown {
                continue;
            }
            let tally = tallies.entry(damage).or_default();
            tally.done += 1;
            if !inspection.problems().is_empty() || inspection == Inspection::Placeholder {
                tally.by_reader += 1;
                continue;
            }
            // In CI a few of all types, the most telling ones; in the long form hundreds of each.
            let Some(program) = program.as_ref().filter(|_| left > 0 && damage != Damage::Bit) else { continue };
            left -= 1;
            sandbox.write("damaged.index", &bytes);
            let check = DeepCheck::with_program(program.clone(), Duration::from_secs(10)).memory(1024);
            tally.given += 1;
            match check.check(&sandbox.path("damaged.index")) {
                Outcome::Passed { .. } => {}
                Outcome::Failed(findings) => {
                    tally.by_faiss += 1;
                    let said = findings.join("; ");
                    let ended = said.contains("ended by signal") || said.contains("did not finish");
                    assert!(!ended || !is_simple(specimen), "{} {damage:?} {number}: {said}", specimen.name);
                    tally.ended += u64::from(ended);
                }
                Outcome::NotChecked(why) => panic!("{} {damage:?} {number}: {why}", specimen.name),
            }
        }
    }
    for (damage, Tally { done, by_reader, given, by_faiss, ended }) in &tallies {
        eprintln!(
            "{damage:?}: the reader found {by_reader} of {done}; of {given} that it passed, FAISS found {by_faiss}, \
             {ended} by its end"
        );
    }
    let grown = memory_used() - before;
    eprintln!("slowest {slowest:?}, {} MiB more than before", grown >> 20);
    assert!(grown < MEMORY && slowest < Duration::from_secs(2));
    for damage in [Damage::Truncated, Damage::Longer] {
        assert_eq!(tallies[&damage].by_reader, tallies[&damage].done, "{damage:?}");
    }
}

fn inspected(bytes: &[u8]) -> Inspection {
    inspect_reader(Cursor::new(bytes), bytes.len() as u64).expect("memory can be read")
}

/// What was found can be read: as many ids as it says, and rows inside the file.
fn read_all(inspection: &Inspection, bytes: &[u8]) {
    let Some(index) = inspection.index() else { return };
    let most = if index.ids.are_stored() { bytes.len() as u64 / 8 } else { 1_000 };
    let ids = index.ids.read(Cursor::new(bytes)).take_while(Result::is_ok).take(most as usize + 1).count() as u64;
    assert!(!index.ids.are_stored() || ids <= most);
    if let Some(rows) = index.rows.filter(|rows| rows.count() > 0) {
        let last = rows.read(&mut Cursor::new(bytes), rows.count() - 1).expect("the last row");
        assert_eq!(last.len(), index.header.d as usize);
    }
}

/// Types of which everything that FAISS relies on is checked.
fn is_simple(specimen: &Specimen) -> bool {
    ["flat-l2", "flat-ip", "flat-l1", "idmap-flat", "idmap2-flat", "binary-flat"].contains(&specimen.name.as_str())
}

#[test]
fn a_program_that_dies_hangs_or_is_absent_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    let outcome = |script: &str| {
        sandbox.write("program", format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(sandbox.path("program"), fs::Permissions::from_mode(0o755)).expect("a mode");
        let check = DeepCheck::with_program(sandbox.path("program"), Duration::from_secs(2));
        check.check(&sandbox.path("some.index"))
    };
    let failed = |script: &str, with: &str| match outcome(script) {
        Outcome::Failed(findings) => assert!(findings.join("").contains(with), "{findings:?}"),
        other => panic!("{script}: {other:?}"),
    };
    failed("kill -SEGV $$", "signal 11");
    failed("kill -ABRT $$", "signal 6");
    failed("exec sleep 60", "within 2 s");
    failed("exec yes", "within 2 s");
    failed("echo '{\"error\": {\"message\": \"read error\"}}'; exit 1", "read error");
    failed("echo '{\"problems\": [\"finds 3 of 30\"]}'; exit 1", "finds 3 of 30");
    assert_eq!(outcome("echo '{\"found\": 30, \"reconstructed\": 31}'"), Outcome::Passed { found: 30, sampled: 31 });
    // What it is given: a limit of memory, and one thread.
    let given = r#"case "$OMP_NUM_THREADS $*" in "1 --json --max-memory "[0-9]*" check -- /"*) echo '{"found": 1, "reconstructed": 1}';; *) exit 3;; esac"#;
    assert_eq!(outcome(given), Outcome::Passed { found: 1, sampled: 1 });
    assert!(matches!(outcome("exit 3"), Outcome::NotChecked(_)));
    assert!(matches!(outcome("exit 0"), Outcome::NotChecked(_)));
    let absent = DeepCheck::with_program(sandbox.path("absent"), Duration::from_secs(2));
    assert!(matches!(absent.check(&sandbox.path("some.index")), Outcome::NotChecked(_)));
}

//! A database on a system that asks for tokens: it has an `/etc` of its own.

use std::io::Write;

use serde_json::Value;

use crate::tools::tools_present;
use crate::{Run, Versioned};

/// The database, and tokens of every kind.
pub struct Guarded<'s> {
    /// The database.
    pub it: Versioned<'s>,
    /// What `tests/python/tokens.py` gives.
    pub tokens: Value,
}

impl<'s> Guarded<'s> {
    /// A guard for a database; none where this machine does not let us have an `/etc` of our own, or lacks PyJWT.
    pub fn new(it: Versioned<'s>) -> Option<Self> {
        let python = crate::python()?;
        if !tools_present(&["unshare"]) {
            return None;
        }
        std::fs::create_dir_all(it.sandbox.path("etc/golden")).expect("a folder");
        let tokens = it.sandbox.python(&python, "tokens.py", &[]).ok().json();
        it.sandbox.write("etc/golden/jwks.json", tokens["jwks"].to_string());
        let guarded = Self { it, tokens };
        guarded.settings("jwks = \"/etc/golden/jwks.json\"");
        if guarded.inside("true").code != 0 {
            let _ = writeln!(std::io::stderr(), "SKIPPED with tokens: mounting is not permitted here");
            return None;
        }
        Some(guarded)
    }

    /// Writes the system's settings: the issuer, the audience, and these lines.
    pub fn settings(&self, lines: &str) {
        let issuer = "[auth]\nissuer = \"https://id.example.org\"\naudience = \"golden\"\n";
        let log = format!("log = \"{}\"\n", self.it.sandbox.path("system.log").display());
        self.it.sandbox.write("etc/golden/golden.toml", format!("{issuer}{log}{lines}\n"));
    }

    /// Runs a script on that system.
    #[track_caller]
    pub fn inside(&self, script: &str) -> Run {
        self.it.sandbox.write("script", script);
        let mount = "mount --bind \"$PWD/etc\" /etc && exec bash -o pipefail script";
        self.it.sandbox.sh(&format!("unshare --map-root-user --mount bash -c '{mount}'"))
    }

    /// Runs a command with a token, which appears in nothing that it prints or writes.
    #[track_caller]
    pub fn run(&self, token: &str, command: &str) -> Run {
        let run = self.inside(&format!("export GOLDEN_TOKEN='{token}'\n{}", self.it.line(command)));
        run.clone().never_says("panicked");
        for part in token.split('.').filter(|part| part.len() > 16) {
            run.clone().never_says(part);
            assert!(!self.log_text().contains(part), "a part of the token in the log");
        }
        run
    }

    /// What the system's log holds.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(self.it.sandbox.path("system.log")).unwrap_or_default()
    }

    /// The last line of that log.
    #[track_caller]
    pub fn logged(&self) -> Value {
        let text = self.log_text();
        let line = text.lines().last().unwrap_or_else(|| panic!("the log is empty"));
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }
}

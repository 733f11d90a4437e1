//! What a self-test says.

use std::fmt;

use serde::Serialize;
use serde_json::json;

use super::Claim;

/// What became of the experiments for one claim.
#[derive(Serialize)]
pub struct Trial {
    #[serde(rename = "check")]
    pub claim: Claim,
    /// How many experiments there were.
    pub tried: u64,
    /// The damages at which the check did not fire.
    pub missed: Vec<String>,
}

/// What became of all of them.
pub struct Report {
    pub document: String,
    pub trials: Vec<Trial>,
}

impl Report {
    /// Whether every check fired at everything it must notice.
    pub fn is_ok(&self) -> bool {
        self.trials.iter().all(|trial| trial.tried > 0 && trial.missed.is_empty())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tried: u64 = self.trials.iter().map(|trial| trial.tried).sum();
        let verdict = if self.is_ok() { "every check fired" } else { "FAILED: a check did not fire" };
        writeln!(f, "{}: copies of it were damaged in {tried} ways, {verdict}", self.document)?;
        for Trial { claim, tried, missed } in &self.trials {
            let fired = tried - missed.len() as u64;
            writeln!(f, "  {claim:<16} {fired} of {tried}", claim = claim.to_string())?;
            missed.iter().try_for_each(|what| writeln!(f, "    did not fire: {what}"))?;
        }
        Ok(())
    }
}

impl Serialize for Report {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json!({"ok": self.is_ok(), "document": self.document, "checks": self.trials}).serialize(serializer)
    }
}

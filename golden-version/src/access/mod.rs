//! Who may do what: where the system names an issuer, every command needs a token of its.

mod claims;
mod fetch;
mod keys;
mod policy;
mod scope;
mod signature;
mod token;

use std::path::Path;

use golden::cli::Reporter;
use golden::{Error, Kind, Result};

use self::claims::{Refusal, admit};
use self::policy::Policy;
use self::scope::Scope;
use self::token::Token;
use crate::catalog;
use crate::cli::Command;
use crate::commands::Place;
use crate::job::Job;
use crate::store::Intent;

/// How much of what somebody calls themselves is kept.
const LONGEST_NAME: usize = 200;

/// Sees to it that whoever calls may do this. What they may not is written down.
pub fn authorise(command: &Command, token_file: Option<&Path>, reporter: &Reporter) -> Result<()> {
    let Some(policy) = Policy::of_this_system()? else { return Ok(()) };
    if let Some(log) = &policy.log {
        reporter.also_log_to(log);
    }
    let scopes = command.scopes();
    let refusal = match admitted(&policy, token_file, scopes) {
        Ok(subject) => {
            if let Some(subject) = subject {
                reporter.fact("subject", shortened(&subject));
            }
            return Ok(());
        }
        Err(refusal) => refusal,
    };
    let Refusal { error, subject, claimed } = refusal;
    let named: Vec<_> = scopes.iter().map(|scope| scope.name()).collect();
    reporter.fact("scope", named.join(" "));
    if let Some(claimed) = claimed {
        reporter.fact("claimed_subject", shortened(&claimed));
    }
    if let Some(subject) = subject {
        reporter.fact("subject", shortened(&subject));
        // Those whom nobody vouches for cannot fill tables.
        if error.kind() == Kind::Denied
            && let Err(failed) = write_down(command, &named.join(" "), &error, reporter)
        {
            reporter.warn(format!("the refusal is not in the table jobs: {}", failed.message()));
        }
    }
    Err(error)
}

fn admitted(policy: &Policy, file: Option<&Path>, scopes: &[Scope]) -> Result<Option<String>, Refusal> {
    let token = Token::find(file)?.ok_or_else(|| {
        let named: Vec<_> = scopes.iter().map(|scope| scope.name()).collect();
        Error::denied(format!("this needs a token with the scope {}", named.join(" and ")))
            .guidance("put it into GOLDEN_TOKEN, or into a file for --token-file")
    })?;
    admit(policy, &token, scopes)
}

/// Adds a job to the table, where there is one, that says who was refused what.
fn write_down(command: &Command, scopes: &str, why: &Error, reporter: &Reporter) -> Result<()> {
    let known = |name| reporter.known(name);
    let name = known("command").and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    let mut place = Place::open(command.place(), Intent::Write, reporter)?;
    let store = place.store.as_mut();
    if !catalog::tables_exist(store)? || !store.has_table("jobs")? {
        return Ok(());
    }
    let job =
        Job::of(&name).with("dataset", known("dataset")).with("subject", known("subject")).with("scope", Some(scopes));
    job.refused(store, why.message())
}

fn shortened(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}

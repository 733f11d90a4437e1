//! What a token may allow, and what each command needs.

use crate::cli::{Command, PlaceArgs};

/// What a token may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// To read what is known of versions, their changes and their jobs.
    Read,
    /// To change a table, and to record changes of one.
    Write,
    /// To make versions, and all that keeps them.
    CreateVersion,
    /// To take the rows of a version away.
    ReadArtifact,
}

impl Scope {
    /// Its name in tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "dataset.read",
            Self::Write => "dataset.write",
            Self::CreateVersion => "dataset.version.create",
            Self::ReadArtifact => "dataset.artifact.read",
        }
    }
}

impl Command {
    /// What a token must allow for it: all of these.
    pub fn scopes(&self) -> &'static [Scope] {
        match self {
            Self::List(_) | Self::Show(_) | Self::Log(_) | Self::Diff(_) | Self::Verify(_) | Self::Jobs(_) => {
                &[Scope::Read]
            }
            Self::Record(_) | Self::Track(_) | Self::Untrack(_) => &[Scope::Write],
            // The rows leave the database.
            Self::Checkout(checkout) if checkout.into.is_some() => &[Scope::Write, Scope::ReadArtifact],
            Self::Checkout(_) => &[Scope::Write],
            Self::Init(_)
            | Self::Create(_)
            | Self::Begin(_)
            | Self::Claim(_)
            | Self::Finish(_)
            | Self::Protect(_)
            | Self::Unprotect(_)
            | Self::Snapshot(_)
            | Self::Compact(_) => &[Scope::CreateVersion],
            Self::Export(_) | Self::Publish(_) => &[Scope::ReadArtifact],
        }
    }

    /// Where the versions are that it is about.
    pub fn place(&self) -> &PlaceArgs {
        match self {
            Self::Init(init) => &init.place,
            Self::List(list) => &list.place,
            Self::Jobs(jobs) => &jobs.place,
            Self::Verify(verify) => &verify.place,
            Self::Create(create) => &create.dataset.place,
            Self::Begin(begin) => &begin.dataset.place,
            Self::Claim(claim) => &claim.dataset.place,
            Self::Record(record) => &record.dataset.place,
            Self::Finish(finish) => &finish.dataset.place,
            Self::Show(show) => &show.dataset.place,
            Self::Log(log) => &log.dataset.place,
            Self::Diff(diff) => &diff.dataset.place,
            Self::Protect(named) | Self::Unprotect(named) => &named.dataset.place,
            Self::Export(export) => &export.dataset.place,
            Self::Publish(publish) => &publish.dataset.place,
            Self::Snapshot(snapshot) => &snapshot.dataset.place,
            Self::Compact(compact) => &compact.dataset.place,
            Self::Checkout(checkout) => &checkout.dataset.place,
            Self::Track(track) => &track.dataset.place,
            Self::Untrack(untrack) => &untrack.dataset.place,
        }
    }
}

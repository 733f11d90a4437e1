//! The job of a command: begun in a transaction of its own before the work, ended with it or, where the work failed,
//! after it. So whatever happens, the table says what was tried.

use golden::cli::Reporter;
use golden::{Error, Result};
use serde_json::{Map, Value};

use crate::catalog::{self, Ending, JobStatus};
use crate::cli::JobArgs;
use crate::interrupt;
use crate::store::{Access, Store};

/// What a command is, for the table of jobs.
#[derive(Clone, Debug)]
pub struct Job {
    /// What it does, as `golden-version create`.
    pub kind: String,
    /// What people call it.
    pub name: String,
    /// With what it was begun.
    pub parameters: Map<String, Value>,
    /// The job of somebody else's that it is a part of.
    pub given: Option<String>,
}

impl Job {
    /// A command's.
    pub fn of(command: &str) -> Self {
        let kind = format!("golden-version {command}");
        Self { name: kind.clone(), kind, parameters: Map::new(), given: None }
    }

    /// What the command line says of it.
    pub fn named(mut self, arguments: &JobArgs) -> Self {
        self.given.clone_from(&arguments.job);
        if let Some(name) = &arguments.job_name {
            self.name.clone_from(name);
        }
        self
    }

    /// Adds a parameter, if there is one.
    pub fn with(mut self, name: &str, value: Option<impl Into<Value>>) -> Self {
        self.parameters.extend(value.map(|value| (name.to_owned(), value.into())));
        self
    }

    /// Writes down that it was refused.
    pub fn refused(&self, store: &mut dyn Store, why: &str) -> Result<()> {
        self.record(store, &Ending { status: JobStatus::Refused, records: None, error: Some(why) })
    }

    fn record(&self, store: &mut dyn Store, ending: &Ending<'_>) -> Result<()> {
        store.begin(Access::Change(""))?;
        catalog::insert_job(store, self, ending)?;
        store.commit()
    }
}

/// A job that this process is at.
pub struct Running {
    job: Job,
    id: String,
    records: Option<[u64; 3]>,
    stage: Stage,
}

/// What is still to be written down of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// That it ended.
    AtWork,
    /// Nothing: it says so, as soon as the work's transaction is committed.
    Completed,
    /// Nothing: a version that is open goes on with it.
    PassedOn,
}

impl Running {
    /// Begins a job, or finds the one that was named.
    ///
    /// # Errors
    /// No such job, and a table of the application's into which no job of ours can be written.
    pub fn begin(store: &mut dyn Store, mut job: Job, reporter: &Reporter) -> Result<Self> {
        if let Err(error) = bury(store, reporter) {
            store.rollback()?;
            reporter.warn(format!("jobs whose processes are gone still run in the table jobs: {}", error.message()));
        }
        job.parameters.extend(reporter.known("subject").map(|subject| ("subject".to_owned(), subject)));
        store.begin(Access::Change(""))?;
        let id = match &job.given {
            Some(id) => {
                catalog::job_must_exist(store, id)?;
                id.clone()
            }
            None => {
                let begun = Ending { status: JobStatus::Running, records: None, error: None };
                let id = catalog::insert_job(store, &job, &begun)?;
                if !store.hold_job(&id)? {
                    return Err(Error::locked(format!("another process is at job {id}")));
                }
                id
            }
        };
        store.commit()?;
        reporter.fact("job", id.as_str());
        interrupt::begin();
        Ok(Self { job, id, records: None, stage: Stage::AtWork })
    }

    /// What changes name it by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// All is done, if the transaction that is open is committed; with it the job ends. Whoever takes it for dead until
    /// then waits for that transaction, and finds that it has ended.
    pub fn complete(&mut self, store: &mut dyn Store, records: Option<[u64; 3]>) -> Result<()> {
        self.records = records;
        self.stage = Stage::Completed;
        match self.job.given {
            Some(_) => Ok(()),
            None => {
                catalog::end_job(store, &self.id, &Ending::completed(records))?;
                store.release_job(&self.id)
            }
        }
    }

    /// A version that is open goes on with the job, if the transaction that is open is committed.
    pub fn pass_on(&mut self) {
        self.stage = Stage::PassedOn;
    }

    /// Ends the job as the work did.
    pub fn end<T>(self, store: &mut dyn Store, outcome: Result<T>, reporter: &Reporter) -> Result<T> {
        let was_cancelled = interrupt::end() && outcome.is_err();
        if was_cancelled {
            reporter.cancelled();
        }
        if let Some([created, updated, deleted]) = self.records.filter(|_| outcome.is_ok()) {
            reporter.fact("records_created", created);
            reporter.fact("records_updated", updated);
            reporter.fact("records_deleted", deleted);
        }
        let written = match &outcome {
            Ok(_) => match self.stage {
                Stage::AtWork => self.write(store, &Ending::completed(self.records)),
                Stage::Completed => Ok(()),
                Stage::PassedOn => store.release_job(&self.id),
            },
            Err(error) => {
                let status = if was_cancelled { JobStatus::Cancelled } else { JobStatus::Failed };
                self.write(store, &Ending { status, records: None, error: Some(error.message()) })
            }
        };
        if let Err(error) = written {
            let id = &self.id;
            reporter.warn(format!("how job {id} ended is not in the table jobs: {}", error.message()));
        }
        outcome
    }

    /// In a transaction of its own. A job that was named is not ours to end; what fails in it gets a job beside it.
    fn write(&self, store: &mut dyn Store, ending: &Ending<'_>) -> Result<()> {
        // A connection that is lost says so below.
        let _ = store.rollback();
        match &self.job.given {
            None => alone(store, |store| {
                catalog::end_job(store, &self.id, ending)?;
                store.release_job(&self.id)
            }),
            Some(_) if ending.status == JobStatus::Completed => Ok(()),
            Some(given) => self.job.clone().with("job", Some(given.as_str())).record(store, ending),
        }
    }
}

/// Ends jobs of ours whose processes are gone.
fn bury(store: &mut dyn Store, reporter: &Reporter) -> Result<()> {
    store.begin(Access::Read)?;
    let running = catalog::running_jobs(store)?;
    store.commit()?;
    for id in running {
        // Who is at work holds it, and has written down the end before letting go.
        if !store.hold_job(&id)? {
            continue;
        }
        let error = Some("its process ended without a word");
        let killed = Ending { status: JobStatus::Killed, records: None, error };
        alone(store, |store| {
            catalog::end_dead_job(store, &id, &killed)?;
            store.release_job(&id)
        })?;
        reporter.warn(format!("the process of job {id} has ended without a word; what it did not commit is undone"));
    }
    Ok(())
}

/// In a transaction of its own.
fn alone(store: &mut dyn Store, change: impl Fn(&mut dyn Store) -> Result<()>) -> Result<()> {
    store.begin(Access::Change(""))?;
    change(store)?;
    store.commit()
}

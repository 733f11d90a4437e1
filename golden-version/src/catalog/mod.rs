//! Our tables: what they are, and how they are read and written in both databases.

mod cells;
mod deltas;
mod jobs;
mod tables;
mod versions;

pub use self::deltas::{
    adopt as adopt_deltas, any_open as has_open_deltas, count as count_deltas, delete as delete_deltas,
    disown as disown_deltas, each as each_delta, each_open as each_open_delta, insert as insert_deltas,
    jobs as delta_jobs, rewrite as rewrite_delta,
};
pub use self::jobs::{
    Ending, JobRow, JobStatus, end as end_job, end_dead as end_dead_job, end_ours as end_our_job, insert as insert_job,
    last as last_jobs, must_exist as job_must_exist, running as running_jobs,
};
pub use self::tables::{are_current as tables_are_current, create as create_tables, exist as tables_exist};
pub use self::versions::{
    all as versions, claim as claim_version, insert as insert_version, named as version_named, update as update_version,
};

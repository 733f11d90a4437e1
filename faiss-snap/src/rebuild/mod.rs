//! Indexes made anew from the vectors in the database.

mod build;
mod design;
mod plan;
mod sidecar;

pub use build::{WORK, Workshop};
pub use design::{Design, Length, Metric, Wish};
pub use plan::{Job, Plan};

//! Indexes made anew from the vectors in the database.

mod build;
mod design;
mod plan;
mod replacement;
mod sidecar;

pub use build::{Made, Workshop};
pub use design::{Design, Length, Metric, Wish};
pub use plan::{Job, Left, Plan};
pub use replacement::{Replacement, WORK};

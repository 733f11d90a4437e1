//! Sealing a version: what changed, how many rows there are, and their digest.

mod adopted;
mod first;
mod merge;
mod rekeyed;
mod tally;
mod tracked;
mod version;

pub use self::merge::Until;
pub use self::tally::Tally;
pub use self::version::Sealing;

//! What an embedder says of itself, asked before it is given a text: `CMD --info`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Maker;
use super::command::EmbedCommand;
use super::process::Process;

/// How long an embedder may think about itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most that is read of what it says.
const MAX_INFO: usize = 64 * 1024;

/// What is understood of it.
#[derive(Deserialize)]
struct Info {
    model: Option<String>,
    dimension: Option<u64>,
}

/// Asks an embedder what its vectors are made by. None where it does not say: not every embedder knows the
/// option, and one that does not may do anything.
pub fn ask(command: &EmbedCommand, patience: Duration) -> Option<Maker> {
    let deadline = Instant::now() + patience.min(PATIENCE);
    let process = Process::start(command.with(Some("--info")), Stdio::null(), Stdio::null()).ok()?;
    let left = || deadline.saturating_duration_since(Instant::now());
    let mut said = Vec::new();
    while let Some(line) = process.line(left()).ok()? {
        said.extend(line);
        if said.len() > MAX_INFO {
            return None;
        }
    }
    if !process.finish(left()).ok()?.success() {
        return None;
    }
    let info: Info = serde_json::from_slice(&said).ok()?;
    Some(Maker { model: info.model.filter(|model| !model.is_empty())?, dimension: info.dimension })
}

//! Progress, on a terminal only.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::Reporter;

/// A line on stderr that says how far a long step has come; silent where nobody watches.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Starts a step. `total` is the number of `unit`s to do, where it is known.
    pub fn start(reporter: &Reporter, step: &'static str, unit: &str, total: Option<u64>) -> Self {
        let bar = if reporter.shows_progress() { ProgressBar::no_length() } else { ProgressBar::hidden() };
        let template = match total {
            Some(total) => {
                bar.set_length(total);
                format!("{{msg}}: {{pos}}/{{len}} {unit}, {{per_sec}}, {{eta}} left")
            }
            None => format!("{{msg}}: {{pos}} {unit}, {{per_sec}}"),
        };
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        bar.set_message(step);
        if reporter.shows_progress() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar }
    }

    /// Counts `units` more as done.
    pub fn advance(&self, units: u64) {
        self.bar.inc(units);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The progress of a step that goes through an input: what it has done is counted in units, how long it
/// still takes is told by the bytes.
pub struct InputProgress {
    progress: Progress,
    units: Arc<AtomicU64>,
}

impl InputProgress {
    /// Starts a step over an input of so many bytes, where that is known.
    pub fn start(reporter: &Reporter, step: &'static str, unit: &str, bytes: Option<u64>) -> Self {
        let progress = Progress::start(reporter, step, unit, bytes);
        let units = Arc::new(AtomicU64::new(0));
        if bytes.is_some() {
            let (done, rate) = (Arc::clone(&units), Arc::clone(&units));
            let template = format!("{{msg}}: {{done}} {unit}, {{rate}}/s, {{percent}}%, {{eta}} left");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                // What cannot be written to a terminal's line is nobody's loss.
                let style = style.with_key("done", move |_: &ProgressState, line: &mut dyn Write| {
                    let _ = write!(line, "{}", done.load(Ordering::Relaxed));
                });
                let style = style.with_key("rate", move |state: &ProgressState, line: &mut dyn Write| {
                    let seconds = state.elapsed().as_secs_f64();
                    let _ = write!(line, "{:.0}", rate.load(Ordering::Relaxed) as f64 / seconds.max(0.001));
                });
                progress.bar.set_style(style);
            }
        }
        Self { progress, units }
    }

    /// Counts `units` more as done, for which so many bytes were read.
    pub fn advance(&self, units: u64, bytes: u64) {
        self.units.fetch_add(units, Ordering::Relaxed);
        self.progress.advance(if self.progress.bar.length().is_some() { bytes } else { units });
    }
}

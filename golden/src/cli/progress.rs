//! Progress, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

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

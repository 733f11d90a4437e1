//! SIGINT and SIGTERM while a job runs: the work ends at the next row, the job is closed, and then the process dies of
//! the signal, as if it had never been caught.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use golden::cli::is_ignored;
use golden::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::register_usize;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// How long the work may take to notice. What waits for input, or for somebody's lock, does not.
const GRACE: Duration = Duration::from_secs(5);

/// The signal that came; 0 before.
static CAUGHT: AtomicUsize = AtomicUsize::new(0);

/// Whether there is work that a signal is to end.
static AT_WORK: AtomicBool = AtomicBool::new(false);

/// From now on a signal ends the work, not the process.
pub fn begin() {
    static WATCH: Once = Once::new();
    WATCH.call_once(watch);
    AT_WORK.store(true, Ordering::Relaxed);
}

/// The work has ended, or given up: what follows is done in spite of signals. Whether one had come.
pub fn end() -> bool {
    AT_WORK.store(false, Ordering::Relaxed);
    CAUGHT.load(Ordering::Relaxed) != 0
}

/// Whether to go on.
///
/// # Errors
/// A signal has come.
pub fn check() -> Result<()> {
    if CAUGHT.load(Ordering::Relaxed) != 0 && AT_WORK.load(Ordering::Relaxed) {
        return Err(Error::environment("cancelled by a signal").guidance("what was not committed is undone: repeat it"));
    }
    Ok(())
}

/// Dies of the signal that came, if one did.
pub fn pass_on() {
    let signal = CAUGHT.load(Ordering::Relaxed);
    if let Some(signal) = i32::try_from(signal).ok().filter(|signal| *signal != 0) {
        let _ = emulate_default_handler(signal);
    }
}

fn watch() {
    let signals: Vec<_> = [SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal)).collect();
    for signal in &signals {
        // Noted in the handler itself: by the time a thread hears of it the work may be done. Without a watch a signal
        // ends the process at once, and the next run closes the job.
        if register_usize(*signal, &CAUGHT, usize::try_from(*signal).unwrap_or_default()).is_err() {
            return;
        }
    }
    let Ok(mut signals) = Signals::new(signals) else { return };
    thread::spawn(move || {
        for (number, _) in signals.forever().enumerate() {
            if number > 0 {
                // Somebody insists.
                pass_on();
            }
            thread::spawn(|| {
                thread::sleep(GRACE);
                pass_on();
            });
        }
    });
}

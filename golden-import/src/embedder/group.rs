//! The embedder and its children, as a process group of their own: they end with us.

use std::process::Child;
use std::sync::{Mutex, Once, PoisonError};
use std::thread;

use golden::cli::is_ignored;
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// The group that is at work.
static AT_WORK: Mutex<Option<Pid>> = Mutex::new(None);

/// A process group that is ended unless it was let go.
pub struct Group(Option<Pid>);

impl Group {
    /// The group that a child leads.
    pub fn led_by(child: &Child) -> Self {
        static WATCH: Once = Once::new();
        WATCH.call_once(watch);
        let leader = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        *AT_WORK.lock().unwrap_or_else(PoisonError::into_inner) = leader;
        Self(leader)
    }

    /// Lets the group be: its leader has ended as it should.
    pub fn let_go(&mut self) {
        self.0 = None;
        *AT_WORK.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            end(leader);
            self.let_go();
        }
    }
}

fn end(leader: Pid) {
    // It may have ended by itself.
    let _ = kill_process_group(leader, Signal::KILL);
}

/// A signal to our own group, Ctrl-C for one, does not reach the embedder's: it is ended first, and then we are,
/// as if the signal had never been caught.
fn watch() {
    let signals = [SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal));
    // Without a watch the embedder ends when it finds nobody to write to.
    let Ok(mut signals) = Signals::new(signals) else { return };
    thread::spawn(move || {
        for signal in signals.forever() {
            if let Some(leader) = *AT_WORK.lock().unwrap_or_else(PoisonError::into_inner) {
                end(leader);
            }
            let _ = emulate_default_handler(signal);
        }
    });
}

//! A model's files may be damaged in ways that its runtime, or what reads its tokenizer, does not expect. Then these
//! panic, and the panic ends here: it becomes an error like any other.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::thread;

use golden::{Error, Result};

thread_local! {
    /// Whether what runs on this thread is guarded.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// The runtime's own threads are named so.
const RUNTIME: &str = "rten-";

/// What `run` returns, or an error in place of a panic.
pub fn guarded<T>(run: impl FnOnce() -> T) -> Result<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            let of_runtime = thread::current().name().is_some_and(|name| name.starts_with(RUNTIME));
            if !of_runtime && !GUARDED.get() {
                usual(panic);
            }
        }));
    });
    GUARDED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(run));
    GUARDED.set(false);
    outcome.map_err(|_| Error::data("the model is damaged, or of a kind that cannot be run here"))
}

//! Work spread over the cores, results in the order of the work.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use crate::Result;

/// How many jobs may wait for each worker: enough to keep it busy, few enough to bound memory.
const JOBS_PER_WORKER: usize = 2;

/// Runs `produce` → `map` → `consume` as a pipeline: `produce` on a thread of its own, `map` on one
/// thread a core, `consume` on the calling thread, in the order of production.
///
/// `produce` hands out each item through the function it is given, which answers false when nobody
/// wants more. The first error ends the pipeline; an error of `produce` is returned after everything
/// produced before it was consumed, so that what is reported does not depend on timing.
pub fn ordered_map<I: Send, O: Send>(
    produce: impl FnOnce(&mut dyn FnMut(I) -> bool) -> Result<()> + Send,
    map: impl Fn(I) -> O + Sync,
    mut consume: impl FnMut(O) -> Result<()>,
) -> Result<()> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let (job_sender, job_receiver) = sync_channel::<(I, SyncSender<O>)>(workers * JOBS_PER_WORKER);
    let (order_sender, order_receiver) = sync_channel::<Receiver<O>>(workers * JOBS_PER_WORKER);
    let job_receiver = Mutex::new(job_receiver);

    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let job = job_receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((item, result)) = job else { break };
                    // A consumer that stopped early no longer listens; the result is not needed.
                    let _ = result.send(map(item));
                }
            });
        }
        let producer = scope.spawn(move || {
            produce(&mut |item| {
                let (sender, receiver) = sync_channel(1);
                order_sender.send(receiver).is_ok() && job_sender.send((item, sender)).is_ok()
            })
        });
        let mut consumed = Ok(());
        for result in order_receiver {
            // A worker that panicked sends nothing; the scope passes its panic on.
            let Ok(output) = result.recv() else { break };
            consumed = consume(output);
            if consumed.is_err() {
                break;
            }
        }
        // Dropping the receiver has told the producer to stop, if it had not finished.
        let produced = match producer.join() {
            Ok(produced) => produced,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        consumed.and(produced)
    })
}

/// Bounds how many bytes are under way in a pipeline at once. One item may be larger: it then goes
/// alone.
pub struct Budget {
    bytes: usize,
    under_way: Mutex<usize>,
    freed: Condvar,
}

/// A share of a [`Budget`], given back when it is dropped.
pub struct Share<'b> {
    budget: &'b Budget,
    bytes: usize,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { bytes, under_way: Mutex::new(0), freed: Condvar::new() }
    }

    /// Waits until there is room for `bytes`, and takes it.
    pub fn take(&self, bytes: usize) -> Share<'_> {
        let lacks_room = |under_way: &mut usize| *under_way > 0 && *under_way + bytes > self.bytes;
        let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let mut under_way = self.freed.wait_while(under_way, lacks_room).unwrap_or_else(PoisonError::into_inner);
        *under_way += bytes;
        Share { budget: self, bytes }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *self.budget.under_way.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.budget.freed.notify_one();
    }
}

//! Models that run on this machine: a tokenizer, a network, and how its output becomes one vector.

mod bert;
mod builtin;
mod fixed;
mod folder;
mod guard;
mod lengths;
mod network;
mod onnx;
mod tensors;
mod tokens;

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::LazyLock;
use std::thread::ScopedJoinHandle;

use golden::{Error, Result};

pub use self::builtin::{builtin, builtin_fast};
pub use self::fixed::Fixed;
use self::network::Network;
pub use self::onnx::onnx;
use self::tokens::Tokens;
use super::{Fit, Order, Outcome, Provider, Shape};
use crate::identity::Info;
use crate::norm::{Norm, to_unit};

/// The most texts that one thread takes at a time, and the most windows that go through the network at once: more
/// are no faster, for what they hold no longer fits into the processor's caches.
const WINDOWS: usize = 8;

/// How many texts and windows to take at a time, given what was asked for and what is usual: memory is bounded whatever
/// is asked for.
fn windows(asked: Option<NonZeroUsize>, usual: usize) -> usize {
    asked.map_or(usual, |asked| asked.get().min(4 * usual))
}

/// A model on this machine.
pub struct Local {
    info: Info,
    model: Model,
    threads: usize,
    /// The most texts in a batch, and the most windows that go through the network at once.
    windows: usize,
}

/// A tokenizer and a network, loaded for the first text that needs them: where all vectors are in the cache,
/// loading would take longer than the rest.
type Model = LazyLock<Result<Loaded>, Box<dyn FnOnce() -> Result<Loaded> + Send>>;

struct Loaded {
    tokens: Tokens,
    network: Network,
}

/// A stretch of a text that the model takes as a whole.
struct Window {
    /// Whose it is.
    text: usize,
    ids: Vec<u32>,
}

impl Loaded {
    /// The vectors of some windows, each weighted by its tokens and added to the sum of its text.
    fn add(&self, windows: &[Window], sums: &mut [Vec<f32>]) -> Result<()> {
        let ids: Vec<&[u32]> = windows.iter().map(|window| window.ids.as_slice()).collect();
        for (window, vector) in windows.iter().zip(self.network.run(&ids)?) {
            let weight = window.ids.len() as f32;
            match sums.get_mut(window.text) {
                Some(sum) if sum.is_empty() => *sum = vector.iter().map(|number| number * weight).collect(),
                Some(sum) => sum.iter_mut().zip(vector).for_each(|(sum, number)| *sum += number * weight),
                None => {}
            }
        }
        Ok(())
    }
}

/// What a thread came to; had it panicked, this one does.
fn joined<T>(thread: ScopedJoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

impl Provider for Local {
    fn info(&self) -> Result<Info> {
        Ok(self.info.clone())
    }

    fn shape(&self) -> Shape {
        Shape { at_once: self.threads, texts: self.windows, tokens: usize::MAX, order: Order::LongestFirst }
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Outcome>> {
        let model = self.model.as_ref().map_err(|error| Error::new(error.kind(), error.message()))?;
        let mut windows = Vec::new();
        let mut fits: Vec<Result<Fit, String>> = Vec::new();
        for (text, content) in texts.iter().enumerate() {
            fits.push(model.tokens.of(content).map(|tokens| {
                windows.extend(tokens.windows.into_iter().map(|ids| Window { text, ids }));
                tokens.fit
            }));
        }
        // The shorter ones of a batch cost as much as its longest.
        windows.sort_by_key(|window| window.ids.len());
        let mut sums = vec![Vec::new(); texts.len()];
        for windows in windows.chunks(self.windows) {
            model.add(windows, &mut sums)?;
        }
        let outcome = |(fit, mut vector): (Result<Fit, String>, Vec<f32>)| match fit {
            Ok(fit) => {
                if self.info.norm == Norm::Unit {
                    to_unit(&mut vector);
                }
                Outcome::Vector { vector, fit }
            }
            Err(why) => Outcome::Refused(why),
        };
        Ok(fits.into_iter().zip(sums).map(outcome).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_were_asked_for_but_no_more_than_memory_allows() {
        let windows = |asked, usual| super::windows(NonZeroUsize::new(asked), usual);
        assert_eq!((windows(0, 8), windows(3, 8), windows(1000, 8)), (8, 3, 32));
        assert_eq!(windows(1000, 1), 4, "of texts that are long");
    }
}

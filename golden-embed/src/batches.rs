//! Texts on their way through a provider: cut into batches, several of them at once.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc::sync_channel;
use std::thread;

use golden::Result;

use crate::provider::{Order, Outcome, Provider};

/// What came of a batch: the places of its texts, and the outcome of each.
pub struct Done {
    pub places: Vec<usize>,
    pub outcomes: Result<Vec<Outcome>>,
}

/// Whether more batches are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    GoOn,
    Stop,
}

/// Embeds `texts`, and hands each batch to `done`, on the calling thread, as it comes.
pub fn embed(provider: &dyn Provider, texts: &[&str], mut done: impl FnMut(Done) -> Result<Next>) -> Result<()> {
    let batches = cut(provider, texts);
    let embed = |places: Vec<usize>| {
        let batch: Vec<&str> = places.iter().map(|place| texts[*place]).collect();
        Done { outcomes: provider.embed(&batch), places }
    };
    let workers = provider.shape().at_once.min(batches.len());
    if workers <= 1 {
        for places in batches {
            if done(embed(places))? == Next::Stop {
                break;
            }
        }
        return Ok(());
    }
    let batches = Mutex::new(batches.into_iter());
    let (sender, receiver) = sync_channel(workers);
    thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, batches, embed) = (sender.clone(), &batches, &embed);
            scope.spawn(move || {
                loop {
                    let next = batches.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(places) = next else { break };
                    // Nobody listens any more once the run has stopped.
                    if sender.send(embed(places)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        // Returning drops the receiver, which tells the workers to stop.
        for batch in receiver {
            if done(batch)? == Next::Stop {
                break;
            }
        }
        Ok(())
    })
}

/// The places of the texts, batch by batch.
fn cut(provider: &dyn Provider, texts: &[&str]) -> Vec<Vec<usize>> {
    let shape = provider.shape();
    let mut order: Vec<usize> = (0..texts.len()).collect();
    if shape.order == Order::LongestFirst {
        order.sort_by_key(|place| std::cmp::Reverse(texts[*place].len()));
    }
    // A few texts are spread over all workers.
    let most = texts.len().div_ceil(shape.at_once).clamp(1, shape.texts);
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut tokens = 0;
    for place in order {
        let these = provider.tokens(texts[place]);
        match batches.last_mut().filter(|batch| batch.len() < most && tokens + these <= shape.tokens) {
            Some(batch) => {
                batch.push(place);
                tokens += these;
            }
            None => {
                batches.push(vec![place]);
                tokens = these;
            }
        }
    }
    batches
}

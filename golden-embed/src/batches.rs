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
    // As many batches for each worker, so that none is idle while the others end.
    let rounds = texts.len().div_ceil(shape.at_once.saturating_mul(shape.texts));
    let count = rounds * shape.at_once;
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let (mut most, mut tokens) = (0, 0);
    for (done, place) in order.into_iter().enumerate() {
        let these = provider.tokens(texts[place]);
        match batches.last_mut().filter(|batch| batch.len() < most && tokens + these <= shape.tokens) {
            Some(batch) => {
                batch.push(place);
                tokens += these;
            }
            None => {
                let left = count.saturating_sub(batches.len()).max(1);
                most = (texts.len() - done).div_ceil(left).min(shape.texts);
                batches.push(vec![place]);
                tokens = these;
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Info;
    use crate::provider::Shape;

    /// Takes texts in batches of a shape; each has as many tokens as bytes.
    struct Shaped(Shape);

    impl Provider for Shaped {
        fn info(&self) -> Result<Info> {
            unreachable!("nobody asks")
        }

        fn shape(&self) -> Shape {
            self.0
        }

        fn tokens(&self, text: &str) -> usize {
            text.len()
        }

        fn embed(&self, _: &[&str]) -> Result<Vec<Outcome>> {
            unreachable!("nothing is embedded")
        }
    }

    fn sizes(texts: &[&str], at_once: usize, most: usize, tokens: usize) -> Vec<usize> {
        let shape = Shape { at_once, texts: most, tokens, order: Order::AsRead };
        let batches = cut(&Shaped(shape), texts);
        assert_eq!(batches.concat(), (0..texts.len()).collect::<Vec<_>>());
        batches.iter().map(Vec::len).collect()
    }

    #[test]
    fn each_worker_has_as_many_batches_of_about_the_same_size() {
        let cut = |texts, at_once, most| sizes(&vec!["text"; texts], at_once, most, usize::MAX);
        assert!(cut(0, 2, 8).is_empty());
        assert_eq!(cut(3, 2, 8), [2, 1]);
        assert_eq!(cut(18, 2, 8), [5, 5, 4, 4]);
        assert_eq!(cut(100, 4, 256), [25; 4]);
        assert_eq!(cut(3, usize::MAX, usize::MAX), [1; 3]);
    }

    #[test]
    fn no_batch_has_more_texts_or_tokens_than_there_may_be() {
        let texts = [vec!["longtext"; 3], vec!["a"; 17]].concat();
        assert_eq!(sizes(&texts, 1, 20, 8), [1, 1, 1, 8, 8, 1], "tokens");
        assert_eq!(sizes(&texts, 1, 5, 8), [1, 1, 1, 5, 5, 5, 2], "texts");
    }

    #[test]
    fn texts_of_like_length_go_together_the_longest_first() {
        let shape = Shape { at_once: 1, texts: 2, tokens: usize::MAX, order: Order::LongestFirst };
        assert_eq!(cut(&Shaped(shape), &["a", "long", "bb", "longer"]), [[3, 1], [2, 0]]);
    }
}

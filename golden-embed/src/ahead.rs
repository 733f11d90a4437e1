//! Lines that are read while others are embedded, and handed on window by window.

use std::io::Read;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use golden::{Error, Result};

use crate::lines::{Line, Lines};
use crate::provider::Shape;

/// How many batches' worth of texts a window holds for each that is under way, and how many texts at least: enough
/// to find texts of like length, and to keep all workers busy while the last batches of it end.
const BATCHES_PER_WORKER: usize = 4;
const WINDOW_TEXTS: usize = 256;

/// The most bytes of text in a window, unless its last lines are longer.
const WINDOW_BYTES: usize = 4 * 1024 * 1024;

/// The lines of an input, read ahead.
pub struct Ahead {
    /// The lines as they were read, an empty chunk at the end.
    chunks: Receiver<Result<Vec<Line>>>,
    /// The most texts in a window.
    most: usize,
    /// What ended the input early, for those who have had the lines before it.
    failure: Option<Error>,
}

impl Ahead {
    /// Begins to read, for a provider that takes texts in this shape.
    pub fn start(mut lines: Lines<impl Read + Send + 'static>, shape: Shape) -> Self {
        let (sender, chunks) = sync_channel(1);
        // Not a scoped thread: a run that ends early must not wait for input that may never come.
        thread::spawn(move || {
            loop {
                let chunk = lines.chunk();
                let is_last = !matches!(&chunk, Ok(lines) if !lines.is_empty());
                if sender.send(chunk).is_err() || is_last {
                    break;
                }
            }
        });
        Self::of(chunks, shape)
    }

    fn of(chunks: Receiver<Result<Vec<Line>>>, shape: Shape) -> Self {
        let most = shape.at_once.saturating_mul(shape.texts).saturating_mul(BATCHES_PER_WORKER).max(WINDOW_TEXTS);
        Self { chunks, most, failure: None }
    }

    /// The next lines: those that are there, as many as belong into a window, and at least one; none at the end.
    pub fn window(&mut self) -> Result<Vec<Line>> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let (mut window, mut bytes) = (Vec::new(), 0);
        let mut next = self.chunks.recv().ok();
        while let Some(chunk) = next {
            match chunk {
                Ok(chunk) => {
                    bytes += chunk.iter().map(|line| line.text.as_ref().map_or(0, String::len)).sum::<usize>();
                    window.extend(chunk);
                }
                Err(error) if window.is_empty() => return Err(error),
                Err(error) => {
                    self.failure = Some(error);
                    break;
                }
            }
            let is_full = window.len() >= self.most || bytes >= WINDOW_BYTES;
            next = if is_full { None } else { self.chunks.try_recv().ok() };
        }
        Ok(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Order;

    fn chunk(lines: usize, text: &str) -> Result<Vec<Line>> {
        Ok((0..lines).map(|_| Line { id: None, text: Ok(text.to_owned()), bytes: 0 }).collect())
    }

    /// What was read before anybody asked, for so many workers that take batches of so many texts.
    fn ahead(chunks: Vec<Result<Vec<Line>>>, at_once: usize, texts: usize) -> Ahead {
        let (sender, receiver) = sync_channel(chunks.len());
        chunks.into_iter().for_each(|chunk| sender.send(chunk).expect("room"));
        Ahead::of(receiver, Shape { at_once, texts, tokens: usize::MAX, order: Order::AsRead })
    }

    fn sizes(mut ahead: Ahead) -> Vec<usize> {
        let next = || ahead.window().ok().map(|window| window.len()).filter(|lines| *lines > 0);
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn windows_hold_some_batches_for_each_worker() {
        let chunks = || (0..10).map(|_| chunk(100, "text")).collect();
        assert_eq!(sizes(ahead(chunks(), 1, 8)), [300, 300, 300, 100]);
        assert_eq!(sizes(ahead(chunks(), 2, 64)), [600, 400]);
        assert_eq!(sizes(ahead(chunks(), usize::MAX, usize::MAX)), [1000]);
    }

    #[test]
    fn windows_of_long_texts_hold_few() {
        let text = "a".repeat(WINDOW_BYTES / 4);
        assert_eq!(sizes(ahead((0..10).map(|_| chunk(1, &text)).collect(), 1, 8)), [4, 4, 2]);
    }

    #[test]
    fn the_lines_before_a_failure_come_before_it() {
        let failure = || Err(Error::environment("the disk is gone"));
        let mut after_lines = ahead(vec![chunk(3, "text"), failure()], 1, 8);
        assert_eq!(after_lines.window().expect("lines").len(), 3);
        assert!(after_lines.window().is_err());
        assert!(ahead(vec![failure()], 1, 8).window().is_err());
    }
}

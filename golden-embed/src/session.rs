//! A run: lines are embedded window by window, and answered in their order.

use std::io::{BufWriter, Write};

use golden::cli::{Input, InputProgress, Reporter};
use golden::{Error, Kind, Result};
use serde_json::value::RawValue;

use crate::ahead::Ahead;
use crate::answer::{Answer, Embedding, Encoding, Hex};
use crate::batches::{self, Done, Next};
use crate::cache::{self, Cache, Cached, Key};
use crate::cli::{Cli, Stop};
use crate::lines::{Line, Lines};
use crate::norm::{Norm, to_unit};
use crate::provider::{Caching, Fit, LongText, Outcome, Provider};
use crate::report::Report;

/// A run of the program.
pub struct Session<'a> {
    provider: &'a dyn Provider,
    encoding: Encoding,
    norm: Norm,
    stop: Stop,
    max_line: usize,
    /// Numbers in a vector, once that is known.
    dimension: Option<usize>,
    /// Whether a vector of the beginning of a text will do.
    long: LongText,
    cache: Option<Cache>,
    report: Report,
}

/// A line between question and answer.
struct Slot {
    id: Option<Box<RawValue>>,
    state: State,
    /// Of the text, where there is one.
    digest: Option<Key>,
    /// How long the line was.
    bytes: u64,
}

/// A text without a vector.
struct Wanted {
    slot: usize,
    text: String,
    key: Key,
}

enum State {
    Waiting,
    Made(Vec<f32>),
    Failed(Kind, String),
    Answered,
}

impl<'a> Session<'a> {
    /// A run with this provider.
    pub fn new(cli: &Cli, provider: &'a dyn Provider, reporter: &Reporter) -> Result<Self> {
        let info = provider.info()?;
        let identity = info.identity(cli.norm());
        Ok(Self {
            provider,
            encoding: cli.encoding,
            norm: cli.norm(),
            stop: cli.stop(),
            max_line: cli.max_line,
            dimension: info.dimension,
            long: cli.long,
            cache: open_cache(cli, provider, &identity, reporter)?,
            report: Report { model: identity, ..Report::default() },
        })
    }

    /// Answers every line of the input on standard output.
    pub fn run(mut self, input: Input, reporter: &Reporter) -> Result<Report> {
        let lines = Ahead::start(Lines::new(input.reader, self.max_line), self.provider.shape());
        let progress = InputProgress::start(reporter, "embedding", "texts", input.length);
        let mut out = BufWriter::new(std::io::stdout());
        let answered = self.answer_all(lines, &mut out, &progress);
        drop(progress);
        // What was answered before a failure is of use.
        out.flush()?;
        answered?;
        Ok(self.report)
    }

    fn answer_all(&mut self, mut lines: Ahead, out: &mut impl Write, progress: &InputProgress) -> Result<()> {
        loop {
            let window = lines.window()?;
            if window.is_empty() {
                return Ok(());
            }
            self.answer_window(window, out, progress)?;
            out.flush()?;
        }
    }

    /// Embeds the texts of a window, and writes its answers as far as they are complete.
    fn answer_window(&mut self, window: Vec<Line>, out: &mut impl Write, progress: &InputProgress) -> Result<()> {
        let mut slots = Vec::with_capacity(window.len());
        let mut wanted = Vec::new();
        for line in window {
            let (state, digest) = match line.text {
                Ok(text) => {
                    let key = cache::key(&text);
                    wanted.push(Wanted { slot: slots.len(), text, key });
                    (State::Waiting, Some(key))
                }
                Err(wrong) => (State::Failed(Kind::Data, wrong), None),
            };
            slots.push(Slot { id: line.id, state, digest, bytes: line.bytes });
        }
        self.take_from_cache(&mut wanted, &mut slots)?;
        let texts: Vec<&str> = wanted.iter().map(|wanted| wanted.text.as_str()).collect();
        let mut written = 0;
        self.write_ready(&mut slots, &mut written, out, progress)?;
        let mut failure = None;
        let provider = self.provider;
        batches::embed(provider, &texts, |Done { places, outcomes }| {
            match outcomes {
                Ok(outcomes) if outcomes.len() == places.len() => {
                    let done: Vec<_> = places.iter().map(|place| &wanted[*place]).zip(outcomes).collect();
                    self.keep(&done);
                    self.report.embedded += done.len() as u64;
                    for (wanted, outcome) in done {
                        slots[wanted.slot].state = self.checked(outcome)?;
                    }
                }
                Ok(outcomes) => {
                    let (got, asked) = (outcomes.len(), places.len());
                    return Err(Error::environment(format!("{got} vectors came back for {asked} texts")));
                }
                Err(error) if self.stop == Stop::Never => {
                    for place in places {
                        slots[wanted[place].slot].state = State::Failed(error.kind(), error.message().to_owned());
                    }
                }
                Err(error) => failure = Some(error),
            }
            self.write_ready(&mut slots, &mut written, out, progress)?;
            Ok(if failure.is_some() { Next::Stop } else { Next::GoOn })
        })?;
        failure.map_or(Ok(()), Err)
    }

    /// Fills the slots whose vectors are in the cache, and leaves the others wanted.
    fn take_from_cache(&mut self, wanted: &mut Vec<Wanted>, slots: &mut [Slot]) -> Result<()> {
        let Some(cache) = &mut self.cache else { return Ok(()) };
        let keys: Vec<Key> = wanted.iter().map(|wanted| wanted.key).collect();
        let found = cache.get(&keys);
        let mut missing = Vec::new();
        for (wanted, cached) in std::mem::take(wanted).into_iter().zip(found) {
            // Where long texts are refused, the vector of one's beginning does not count.
            match cached.filter(|cached| cached.fit == Fit::Whole || self.long != LongText::Error) {
                Some(Cached { vector, fit }) => {
                    self.report.cached += 1;
                    slots[wanted.slot].state = self.checked(Outcome::Vector { vector, fit })?;
                }
                None => missing.push(wanted),
            }
        }
        *wanted = missing;
        Ok(())
    }

    /// Keeps vectors for the next run.
    fn keep(&mut self, done: &[(&Wanted, Outcome)]) {
        let Some(cache) = &mut self.cache else { return };
        let made = done.iter().filter_map(|(wanted, outcome)| match outcome {
            Outcome::Vector { vector, fit } => Some((wanted.key, vector.as_slice(), *fit)),
            Outcome::Refused(_) => None,
        });
        cache.put(&made.collect::<Vec<_>>());
    }

    /// The state that an outcome makes, if the provider keeps its word.
    fn checked(&mut self, outcome: Outcome) -> Result<State> {
        let (mut vector, fit) = match outcome {
            Outcome::Vector { vector, fit } => (vector, fit),
            Outcome::Refused(why) => return Ok(State::Failed(Kind::Data, why)),
        };
        let dimension = *self.dimension.get_or_insert(vector.len());
        if vector.len() != dimension || vector.is_empty() {
            let wrong = format!("a vector came back with {} numbers, not {dimension}", vector.len());
            return Err(Error::environment(wrong)
                .guidance("does the model have vectors of another length? look at --dimensions and --model"));
        }
        if !vector.iter().all(|number| number.is_finite()) {
            return Ok(State::Failed(Kind::Data, "the vector holds a number that is not finite".into()));
        }
        if vector.iter().all(|number| *number == 0.0) {
            return Ok(State::Failed(Kind::Data, "the vector is zero".into()));
        }
        if self.norm == Norm::Unit {
            to_unit(&mut vector);
        }
        self.report.long += u64::from(fit == Fit::Long);
        Ok(State::Made(vector))
    }

    /// Writes the answers that are next in order.
    fn write_ready(
        &mut self,
        slots: &mut [Slot],
        written: &mut usize,
        out: &mut impl Write,
        progress: &InputProgress,
    ) -> Result<()> {
        while let Some(slot) = slots.get_mut(*written) {
            let id = slot.id.as_deref();
            match (std::mem::replace(&mut slot.state, State::Answered), id, &slot.digest) {
                (State::Waiting, ..) => {
                    slot.state = State::Waiting;
                    break;
                }
                (State::Made(vector), Some(id), Some(digest)) => {
                    let embedding = Embedding { vector: &vector, encoding: self.encoding };
                    let text_sha256 = Hex(digest);
                    Answer::Vector { id, model: &self.report.model, text_sha256, embedding }.write(out)?;
                }
                (State::Failed(kind, error), id, _) => {
                    Answer::Error { id, error: &error }.write(out)?;
                    self.report.count_failure(kind);
                    if self.stop == Stop::AtLine {
                        return Err(Error::new(kind, error));
                    }
                }
                (State::Answered | State::Made(_), ..) => {}
            }
            self.report.lines += 1;
            *written += 1;
            progress.advance(1, slot.bytes);
        }
        Ok(())
    }
}

/// The cache, unless there is none or it is of no use.
fn open_cache(cli: &Cli, provider: &dyn Provider, identity: &str, reporter: &Reporter) -> Result<Option<Cache>> {
    if cli.no_cache || provider.caching() == Caching::Pointless {
        return Ok(None);
    }
    let Some(path) = cli.cache_path() else { return Ok(None) };
    match Cache::open(&path, identity.to_owned(), reporter) {
        Ok(cache) => Ok(Some(cache)),
        // Nobody asked for this one.
        Err(error) if cli.cache.is_none() => {
            reporter.warn(format!("{}; going on without a cache", error.message()));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

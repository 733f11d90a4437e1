//! `search`: the nearest vectors for each that comes.

use std::io::{self, BufReader, BufWriter, Write};
use std::process::ExitCode;

use faiss_snap::index_file::{Effort, Elements, Inspection, inspect};
use golden::cli::Reporter;
use golden::{Error, Result};
use serde::Serialize;
use serde_json::Value;

use crate::cli::Search;
use crate::commands::info::placeholder;
use crate::native::{FloatIndex, Nearest};
use crate::protocol::Lines;
use crate::sidecar::Sidecar;

pub fn run(arguments: &Search, reporter: &Reporter) -> Result<ExitCode> {
    let file = &arguments.file;
    let elements = match inspect(file)? {
        Inspection::Known(index) => index.elements,
        Inspection::Unknown(unknown) => unknown.elements,
        Inspection::Placeholder => return Err(placeholder(file)),
        Inspection::Damaged(damage) => return Err(Error::data(format!("{}: {damage}", file.display()))),
    };
    if elements == Elements::Bits {
        return Err(Error::usage(format!("{} is an index of bits, not of numbers", file.display())));
    }
    let sidecar = Sidecar::read(file)?;
    let texts = sidecar.as_ref().and_then(|sidecar| sidecar.ids.as_deref());
    let mut index = FloatIndex::read(file)?;
    let efforts = [arguments.nprobe.map(Effort::Nprobe), arguments.ef.map(Effort::EfSearch)];
    efforts.into_iter().flatten().try_for_each(|effort| index.set(effort))?;
    // More than there are cannot be found, and FAISS makes room for as many as it is asked for.
    let k = arguments.k.get().min(index.ntotal());
    let k = usize::try_from(k).map_err(|_| Error::usage("more vectors than memory can hold"))?;
    let mut lines = Lines::new(BufReader::new(io::stdin().lock()), Some(index.d()));
    let mut answers = BufWriter::new(io::stdout().lock());
    let mut searched = 0_u64;
    while let Some(line) = lines.next()? {
        let found =
            if k == 0 { Nearest { ids: Vec::new(), distances: Vec::new() } } else { index.search(&line.vector, k)? };
        let ids = found.ids.iter().map(|id| name(texts, *id)).collect();
        let answer = Answer { id: line.id, ids, distances: found.distances };
        serde_json::to_writer(&mut answers, &answer).map_err(io::Error::from)?;
        answers.write_all(b"\n")?;
        if lines.has_paused() {
            answers.flush()?;
        }
        searched += 1;
    }
    answers.flush()?;
    reporter.note(format_args!("searched for {searched} vector{}", if searched == 1 { "" } else { "s" }));
    Ok(ExitCode::SUCCESS)
}

/// What a number stands for.
fn name(texts: Option<&[Box<str>]>, id: i64) -> Value {
    let text = texts.and_then(|texts| texts.get(usize::try_from(id).ok()?));
    text.map_or(Value::from(id), |text| Value::from(&**text))
}

#[derive(Serialize)]
struct Answer {
    id: Value,
    ids: Vec<Value>,
    distances: Vec<f32>,
}

//! The report as a page to look at: the verdict, what is wrong and where, what changed, what the document is made of.

use std::fmt::{self, Display};

use golden::document::verify::{Group, Issues, Severity};
use golden::html::{Page, Text, bars, cell, tile};

use super::{Outcome, Report, faults_of_database};
use crate::composition::{Composition, Types};
use crate::difference::{Against, Difference, Tally, totals};
use crate::quotes::Quotes;
use crate::review::Review;

/// How many lines of changes are shown; all are counted.
const SHOWN: usize = 1_000;

/// The page of a report.
pub fn of(report: &Report) -> Page<Body<'_>> {
    let names: Vec<_> = report.outcomes.iter().map(|outcome| outcome.name.as_str()).collect();
    Page { title: names.first().map_or("golden-verify", |name| name).to_owned(), body: Body(report) }
}

/// What is to be seen.
pub struct Body<'r>(&'r Report);

impl Display for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        // Of two documents, the second is the one that the first is held against.
        for (number, outcome) in report.outcomes.iter().enumerate() {
            write_document(f, outcome, report.quotes)?;
            if let (0, Some(against)) = (number, &report.against) {
                write_against(f, against, report.quotes)?;
            }
            if let Ok(Review { composition: Some(composition), .. }) = &outcome.result {
                write_composition(f, composition, report.quotes)?;
            }
        }
        Ok(())
    }
}

fn write_document(f: &mut fmt::Formatter<'_>, outcome: &Outcome, quotes: Quotes) -> fmt::Result {
    let review = match &outcome.result {
        Ok(review) => review,
        Err(error) => {
            write_heading(f, &outcome.name, "bad", "not verified")?;
            return writeln!(f, "<p class=\"bad\">{}</p>", Text(&quotes.of(&error.to_string())));
        }
    };
    let [errors, warnings] = [Severity::Error, Severity::Warning].map(|severity| review.count(severity));
    let (class, verdict) = match (errors, outcome.differs(), review.verification.sealed) {
        (0, true, _) => ("bad", "the database differs"),
        (0, false, true) => ("good", "intact"),
        (0, false, false) => ("good", "well-formed"),
        _ => ("bad", "failed"),
    };
    write_heading(f, &outcome.name, class, verdict)?;
    let counts = &review.verification.counts;
    f.write_str("<div class=\"tiles\">\n")?;
    for (number, what) in [
        (counts.analyses, "analyses"),
        (counts.chunks, "chunks"),
        (counts.findings, "findings"),
        (counts.artifacts, "artifacts"),
        (errors, "errors"),
        (warnings, "warnings"),
    ] {
        f.write_str(&tile(number, what))?;
    }
    f.write_str("</div>\n")?;
    if review.verification.sealed {
        writeln!(f, "<p class=\"soft\">content sha256 <code>{}</code></p>", review.verification.seals.content)?;
    } else {
        f.write_str("<p class=\"warn\">It carries no digests: only structure and counts could be verified.</p>\n")?;
    }
    write_problems(f, outcome, review, quotes)
}

fn write_heading(f: &mut fmt::Formatter<'_>, name: &str, class: &str, verdict: &str) -> fmt::Result {
    writeln!(f, "<h1>{}</h1>\n<p><span class=\"mark {class}\">{verdict}</span></p>", Text(name))
}

fn write_problems(f: &mut fmt::Formatter<'_>, outcome: &Outcome, review: &Review, quotes: Quotes) -> fmt::Result {
    let mut rows = Rows { html: String::new(), quotes };
    rows.issues(&review.verification.issues);
    rows.issues(&review.breaches);
    rows.issues(&review.personal_data);
    for fault in outcome.comparison.iter().flat_map(faults_of_database) {
        rows.row(fault.severity, "the database", &fault.text);
    }
    f.write_str("<h2>Problems</h2>\n")?;
    if rows.html.is_empty() {
        return f.write_str("<p>None.</p>\n");
    }
    f.write_str(
        "<div class=\"scroll\"><table>\n<thead><tr><th></th><th>Where</th><th>What</th></tr></thead>\n<tbody>\n",
    )?;
    writeln!(f, "{}</tbody></table></div>", rows.html)
}

/// Rows of problems.
struct Rows {
    html: String,
    quotes: Quotes,
}

impl Rows {
    fn issues<C: Copy + Ord + Display>(&mut self, issues: &Issues<C>) {
        for (severity, check, Group { count, first }) in issues.groups() {
            for issue in first {
                let place = issue.place.as_ref().map_or_else(|| "the document".to_owned(), ToString::to_string);
                self.row(severity, &place, &issue.message);
            }
            let more = count.saturating_sub(first.len() as u64);
            if more > 0 {
                self.row(severity, "", &format!("and {more} more of {check}"));
            }
        }
    }

    fn row(&mut self, severity: Severity, place: &str, message: &str) {
        let (class, word) = match severity {
            Severity::Error => ("bad", "error"),
            Severity::Warning => ("warn", "warning"),
        };
        let [place, message] = [place, message].map(|text| self.quotes.of(text));
        self.html.push_str("<tr>");
        self.html.push_str(&cell(class, "", word));
        self.html.push_str(&cell("text", "Where", Text(&place)));
        self.html.push_str(&cell("text", "What", Text(&message)));
        self.html.push_str("</tr>\n");
    }
}

fn write_against(f: &mut fmt::Formatter<'_>, against: &Against, quotes: Quotes) -> fmt::Result {
    f.write_str("<h2>What changed</h2>\n")?;
    let Against::Compared(difference) = against else {
        return f.write_str(
            "<p class=\"bad\">Not compared: a document must be readable, and its records well-formed.</p>\n",
        );
    };
    let [old, _] = &difference.names;
    if difference.is_empty() {
        return writeln!(f, "<p>Nothing since {}.</p>", Text(old));
    }
    writeln!(f, "<p>Since {}: {}.</p>", Text(old), Text(&totals(&difference.counts)))?;
    write_tallies(f, difference)?;
    f.write_str("<pre>")?;
    for line in difference.top_lines().lines() {
        writeln!(f, "{}", Text(&quotes.of(line)))?;
    }
    let mut lines = difference.lines();
    for line in lines.by_ref().take(SHOWN) {
        writeln!(f, "{}", Text(&quotes.of(&line.map_err(|_| fmt::Error)?)))?;
    }
    match lines.count() {
        0 => {}
        more => writeln!(f, "… and {more} more lines")?,
    }
    f.write_str("</pre>\n")
}

fn write_tallies(f: &mut fmt::Formatter<'_>, difference: &Difference) -> fmt::Result {
    f.write_str("<div class=\"cards\">\n")?;
    for (kind, Tally { added, removed, changed }) in difference.summary.of_kinds() {
        if (added, removed, changed) != (0, 0, 0) {
            f.write_str(&bars(kind.plural(), [("added", added), ("removed", removed), ("changed", changed)]))?;
        }
    }
    f.write_str("</div>\n")
}

fn write_composition(f: &mut fmt::Formatter<'_>, composition: &Composition, quotes: Quotes) -> fmt::Result {
    let Composition { analyses, chunks, findings, artifacts } = composition;
    f.write_str("<h2>What it is made of</h2>\n<div class=\"cards\">\n")?;
    for (title, types) in [
        ("Analyses by type", &analyses.content_type),
        ("Analyses by status", &analyses.status),
        ("Chunks by type", &chunks.content_type),
        ("Findings by agent", &findings.agent),
        ("Findings by category", &findings.category),
    ] {
        write_types(f, title, types, quotes)?;
    }
    let lengths: Vec<_> = chunks.characters.named().collect();
    f.write_str(&bars("Chunks by characters", lengths.iter().map(|(name, number)| (name.as_str(), *number))))?;
    let missing = [
        ("analyses without chunks", analyses.without_chunks),
        ("analyses without findings", analyses.without_findings),
        ("analyses without artifacts", analyses.without_artifacts),
        ("chunks without text", chunks.without_text),
        ("chunks without a section", chunks.without_section),
        ("artifacts without a summary", artifacts.without_summary),
    ];
    f.write_str(&bars("Missing pieces", missing))?;
    let texts = &chunks.characters;
    writeln!(
        f,
        "</div>\n<p class=\"soft\">{} characters in all chunks, {} in the longest.</p>",
        texts.total, texts.longest
    )
}

fn write_types(f: &mut fmt::Formatter<'_>, title: &str, types: &Types, quotes: Quotes) -> fmt::Result {
    let mut known: Vec<_> =
        types.values.iter().map(|(value, number)| (quotes.of(value).into_owned(), *number)).collect();
    known.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    let rest = [("(others)", types.others), ("(none)", types.none)].into_iter().filter(|(_, number)| *number > 0);
    let all: Vec<_> = known.iter().map(|(value, number)| (value.as_str(), *number)).chain(rest).collect();
    // Where there is nothing of the kind, there are no types either.
    if all.is_empty() { Ok(()) } else { f.write_str(&bars(title, all)) }
}

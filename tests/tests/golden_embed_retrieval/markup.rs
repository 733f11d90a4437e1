//! reStructuredText, as far as Django's documentation needs it to be read as prose.

use std::collections::HashMap;

/// What stands below one heading, as it is written.
pub struct Part {
    pub heading: String,
    /// What other pages call it by.
    pub labels: Vec<String>,
    pub paragraphs: Vec<String>,
}

/// Directives whose contents are no prose.
const CODE: [&str; 9] =
    ["code", "code-block", "console", "contents", "figure", "image", "index", "parsed-literal", "toctree"];

/// The parts of a page.
pub fn parts_of(page: &str) -> Vec<Part> {
    let mut reader = Reader::default();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let is_heading = !line.starts_with(char::is_whitespace) && lines.peek().is_some_and(|next| is_rule(next));
        if is_heading && !line.is_empty() && !is_rule(line) {
            lines.next();
            reader.heading(line);
        } else {
            reader.line(line);
        }
    }
    reader.end_paragraph();
    reader.parts
}

/// The line below a heading.
fn is_rule(line: &str) -> bool {
    let first = line.chars().next().unwrap_or_default();
    line.len() >= 3 && "=-~^\"'#*`+".contains(first) && line.chars().all(|c| c == first)
}

#[derive(Default)]
struct Reader {
    parts: Vec<Part>,
    labels: Vec<String>,
    paragraph: String,
    /// How far the line is indented below which everything further in is no prose.
    code_below: Option<usize>,
}

impl Reader {
    fn heading(&mut self, line: &str) {
        self.end_paragraph();
        self.code_below = None;
        let labels = std::mem::take(&mut self.labels);
        self.parts.push(Part { heading: line.trim().to_owned(), labels, paragraphs: Vec::new() });
    }

    fn line(&mut self, line: &str) {
        let text = line.trim();
        let indent = line.len() - line.trim_start().len();
        if text.is_empty() {
            return self.end_paragraph();
        }
        if self.code_below.is_some_and(|outer| indent > outer) {
            return;
        }
        self.code_below = None;
        if let Some(marked) = text.strip_prefix(".. ") {
            self.end_paragraph();
            match (marked.strip_prefix('_'), marked.split_once("::")) {
                (Some(label), _) => self.labels.extend(label.strip_suffix(':').map(str::to_owned)),
                (None, Some((name, _))) if !CODE.contains(&name) && !name.contains(' ') => {}
                // Code, a comment or a footnote.
                _ => self.code_below = Some(indent),
            }
            return;
        }
        let is_option = text.strip_prefix(':').and_then(|rest| rest.split_once(':')).is_some_and(|(name, rest)| {
            name.chars().all(|c| c.is_alphanumeric() || c == '-') && (rest.is_empty() || rest.starts_with(' '))
        });
        let is_table = text.chars().all(|c| "=-+| ".contains(c));
        if is_option || is_table || text.starts_with(">>>") {
            return;
        }
        self.labels.clear();
        let item = ["* ", "- ", "#. "].iter().find_map(|mark| text.strip_prefix(mark));
        if item.is_some() {
            self.end_paragraph();
        }
        if !self.paragraph.is_empty() {
            self.paragraph.push(' ');
        }
        let text = item.unwrap_or(text);
        match text.strip_suffix("::") {
            Some(before) => {
                self.paragraph += before;
                self.paragraph.push(':');
                self.end_paragraph();
                self.code_below = Some(indent);
            }
            None => self.paragraph += text,
        }
    }

    fn end_paragraph(&mut self) {
        let paragraph = std::mem::take(&mut self.paragraph);
        if let Some(part) = self.parts.last_mut().filter(|_| !paragraph.trim_matches(':').is_empty()) {
            part.paragraphs.push(paragraph);
        }
    }
}

/// A paragraph as it is read.
pub struct Text {
    pub shown: String,
    /// Where it refers to a section, and by which label.
    references: Vec<(usize, String)>,
}

impl Text {
    /// A reference without words of its own shows the heading it refers to.
    pub fn of(raw: &str, titles: &HashMap<String, String>) -> Self {
        let mut text = Self { shown: String::new(), references: Vec::new() };
        let mut rest = raw;
        while let Some(next) = rest.chars().next() {
            if let Some(code) = rest.strip_prefix("``") {
                let (code, behind) = code.split_once("``").unwrap_or((code, ""));
                text.shown += code;
                rest = behind;
            } else if let Some((role, inside, behind)) = interpreted(rest) {
                text.add(role, inside, titles);
                rest = behind.trim_start_matches('_');
            } else {
                rest = &rest[next.len_utf8()..];
                if next != '*' && next != '\\' {
                    text.shown.push(next);
                }
            }
        }
        text
    }

    fn add(&mut self, role: &str, inside: &str, titles: &HashMap<String, String>) {
        let target = inside.strip_suffix('>').and_then(|inside| inside.rsplit_once('<'));
        let label = target.map_or(inside, |(_, label)| label);
        let words = match target {
            Some((words, _)) => words.trim(),
            None if role == "ref" => titles.get(label).map_or("", String::as_str),
            None => inside.strip_prefix('~').map_or(inside, |path| path.rsplit('.').next().unwrap_or_default()),
        };
        if role == "ref" {
            self.references.push((self.shown.len(), label.to_owned()));
        }
        self.shown.extend(words.chars().filter(|c| *c != '`'));
    }

    /// The sentences that refer to one section.
    pub fn sentences_that_refer(&self) -> Vec<(&str, &str)> {
        let mut sentences = Vec::new();
        let mut start = 0;
        let ends = self.shown.match_indices([' ']).map(|(place, _)| place).filter(|place| {
            let (before, behind) = self.shown.split_at(*place);
            before.ends_with(['.', '?', '!']) && !behind.trim_start().starts_with(char::is_lowercase)
        });
        for end in ends.chain([self.shown.len()]) {
            let mut here = self.references.iter().filter(|(place, _)| (start..end).contains(place));
            if let (Some((_, label)), None) = (here.next(), here.next()) {
                sentences.push((self.shown[start..end].trim(), label.as_str()));
            }
            start = end;
        }
        sentences
    }
}

/// `:role:`text``, or `` `text` `` alone: the role, the text, and what stands behind it.
fn interpreted(rest: &str) -> Option<(&str, &str, &str)> {
    let (role, marked) = match rest.strip_prefix(':') {
        Some(named) => named.split_once(":`")?,
        None => ("", rest.strip_prefix('`')?),
    };
    if !role.chars().all(|c| c.is_ascii_alphanumeric() || "-+.:".contains(c)) {
        return None;
    }
    let (inside, behind) = marked.split_once('`')?;
    Some((role, inside, behind))
}

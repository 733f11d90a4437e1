//! Pages for people: one file that needs no other, no script and no network. What stands in data stays text.

use std::fmt::{self, Display, Write as _};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use crate::cli::{Compress, Existing, Output};
use crate::{Context, Error, Result, visible};

/// How every page begins, by which one of ours is known when it is to be replaced.
const BEGINNING: &str = "<!doctype html>\n<!-- golden tools -->\n";

/// Nothing is loaded and nothing runs, whatever came into the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// A page: its title, and what is to be seen, as HTML.
pub struct Page<B> {
    /// In the window's title, as text.
    pub title: String,
    /// HTML.
    pub body: B,
}

impl<B: Display> Page<B> {
    /// Writes it to a file, which appears when it is complete, or to standard output for `-`. A file that is no such
    /// page stays.
    pub fn write(&self, path: &Path) -> Result<()> {
        if path != Path::new("-") && path.exists() && !is_page(path)? {
            return Err(Error::environment(format!("{} exists and is not a page of the golden tools", path.display()))
                .guidance("choose another name, or remove it"));
        }
        let mut output = Output::create(path, Compress::Never, Existing::Replace)?;
        write!(output, "{self}").context(|| format!("cannot write {}", path.display()))?;
        output.finish()
    }
}

fn is_page(path: &Path) -> Result<bool> {
    let cannot_read = || format!("cannot read {}", path.display());
    let mut start = Vec::new();
    let file = File::open(path).context(cannot_read)?;
    file.take(BEGINNING.len() as u64).read_to_end(&mut start).context(cannot_read)?;
    Ok(start.is_empty() || start == BEGINNING.as_bytes())
}

impl<B: Display> Display for Page<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(BEGINNING)?;
        f.write_str("<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")?;
        writeln!(f, "<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">")?;
        f.write_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")?;
        writeln!(f, "<title>{}</title>\n<style>", Text(&self.title))?;
        f.write_str(include_str!("style.css"))?;
        write!(f, "</style>\n</head>\n<body>\n{}</body>\n</html>\n", self.body)
    }
}

/// Text from anywhere, as it may stand in HTML, in an attribute's quotes too.
pub struct Text<'t>(pub &'t str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = visible(self.0);
        let mut rest = text.as_ref();
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            let (plain, special) = rest.split_at(at);
            f.write_str(plain)?;
            f.write_str(match special.as_bytes().first() {
                Some(b'&') => "&amp;",
                Some(b'<') => "&lt;",
                Some(b'>') => "&gt;",
                Some(b'"') => "&quot;",
                _ => "&#39;",
            })?;
            rest = special.get(1..).unwrap_or_default();
        }
        f.write_str(rest)
    }
}

/// Numbers with names, each with a bar as long as its share of the largest.
pub fn bars<'n>(title: &str, numbers: impl IntoIterator<Item = (&'n str, u64)>) -> String {
    let numbers: Vec<_> = numbers.into_iter().collect();
    let largest = numbers.iter().map(|(_, number)| *number).max().unwrap_or_default().max(1);
    let mut html = format!("<div class=\"card\"><h3>{}</h3>\n<table>\n", Text(title));
    for (name, number) in numbers {
        let bar = match number as f64 / largest as f64 * 100.0 {
            0.0 => String::new(),
            width => format!("<i style=\"width: {width:.1}%\"></i>"),
        };
        let name = Text(name);
        let _ =
            writeln!(html, "<tr><th>{name}</th><td class=\"number\">{number}</td><td class=\"bar\">{bar}</td></tr>");
    }
    html + "</table></div>\n"
}

/// A cell of a table whose rows are read one below the other where there is little room: its kind, the heading of its
/// column, and HTML.
pub fn cell(class: &str, heading: &str, html: impl Display) -> String {
    format!("<td class=\"{class}\" data-of=\"{heading}\"><div>{html}</div></td>")
}

/// A number that should catch the eye, and what it is of.
pub fn tile(number: impl Display, what: &str) -> String {
    format!("<div class=\"tile\"><b>{}</b>{}</div>\n", Text(&number.to_string()), Text(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let hostile = "</td><script>alert('1 & 2')</script>\"\u{1b}[1m ü";
        let shown = "&lt;/td&gt;&lt;script&gt;alert(&#39;1 &amp; 2&#39;)&lt;/script&gt;&quot;\\u{1b}[1m ü";
        assert_eq!(Text(hostile).to_string(), shown);
        assert!(bars(hostile, [(hostile, 1)]).matches(shown).count() == 2 && !tile(1, hostile).contains("<script"));
    }

    #[test]
    fn a_page_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        let page = |title: &str| Page { title: title.to_owned(), body: "" };
        page("one").write(&path).unwrap();
        page("two").write(&path).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("<title>two</title>"));
        std::fs::write(&path, "<!doctype html>\nmine").unwrap();
        assert!(page("three").write(&path).unwrap_err().message().contains("not a page"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "<!doctype html>\nmine");
    }
}

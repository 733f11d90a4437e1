//! `~/.pgpass`: lines of host, port, database, user and password, the first that fits.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::server::Options;

/// Looks for the password of a server. A file that others can read is not used, and that is said.
pub(super) fn look_up(options: &Options, home: Option<&str>, warnings: &mut Vec<String>) -> Option<String> {
    let path = match options.get("passfile") {
        Some(path) => PathBuf::from(path),
        None => Path::new(home?).join(".pgpass"),
    };
    let metadata = fs::metadata(&path).ok()?;
    if !metadata.is_file() {
        return None;
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        let name = path.display();
        warnings.push(format!("{name} can be read by others and is not used; chmod 600 {name} makes it private"));
        return None;
    }
    let text = fs::read_to_string(&path).ok()?;
    let option = |name: &str, default: &str| options.get(name).map_or(default, String::as_str).to_owned();
    // Of several hosts the first: one connection has one password.
    let first = |list: String| list.split(',').next().unwrap_or_default().to_owned();
    let host = first(option("host", &option("hostaddr", "")));
    let host = if host.starts_with('/') { "localhost".to_owned() } else { host };
    let port = Some(first(option("port", ""))).filter(|port| !port.is_empty()).unwrap_or_else(|| "5432".to_owned());
    let wanted = [host, port, option("dbname", ""), option("user", "")];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| password(line, &wanted))
}

/// The password of a line that fits.
fn password(line: &str, wanted: &[String; 4]) -> Option<String> {
    let fields = fields(line);
    let (password, given) = fields.split_last()?;
    let fits = given.len() == wanted.len()
        && given.iter().zip(wanted).all(|(given, wanted)| *given == "*" || unescaped(given) == *wanted);
    fits.then(|| unescaped(password))
}

/// Splits at the first four colons without a backslash before them.
fn fields(line: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let (mut start, mut is_escaped) = (0, false);
    for (at, byte) in line.bytes().enumerate() {
        if byte == b':' && !is_escaped && fields.len() < 4 {
            fields.push(&line[start..at]);
            start = at + 1;
        }
        is_escaped = byte == b'\\' && !is_escaped;
    }
    fields.push(&line[start..]);
    fields
}

fn unescaped(field: &str) -> String {
    let mut text = String::new();
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    text
}

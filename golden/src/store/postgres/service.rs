//! `pg_service.conf`: named groups of connection options.

use std::fs;
use std::path::{Path, PathBuf};

use super::server::{Options, set};
use crate::{Context, Error, Result};

/// The options of a service, from `$PGSERVICEFILE` or `~/.pg_service.conf`, else from the system's file.
pub(super) fn read(name: &str, variable: &impl Fn(&str) -> Option<String>) -> Result<Options> {
    let own = variable("PGSERVICEFILE").map(PathBuf::from);
    let own = own.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".pg_service.conf")));
    let system = variable("PGSYSCONFDIR").unwrap_or_else(|| "/etc/postgresql-common".to_owned());
    let files = own.into_iter().chain([Path::new(&system).join("pg_service.conf")]);
    for path in files.filter(|path| path.exists()) {
        let text = fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))?;
        if let Some(options) = section(&text, name).map_err(|error| error.context(path.display()))? {
            return Ok(options);
        }
    }
    Err(Error::usage(format!("there is no PostgreSQL service `{name}`"))
        .guidance("define it in ~/.pg_service.conf, or name the file with PGSERVICEFILE"))
}

/// The options under `[name]`; none where there is no such section.
fn section(text: &str, name: &str) -> Result<Option<Options>> {
    let mut lines = text.lines().map(str::trim);
    if !lines.any(|line| line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) == Some(name)) {
        return Ok(None);
    }
    let mut options = Options::new();
    for line in lines.take_while(|line| !line.starts_with('[')) {
        if let Some((option, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            set(&mut options, option.trim(), value.trim())?;
        }
    }
    Ok(Some(options))
}

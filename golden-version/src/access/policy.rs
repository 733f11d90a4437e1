//! The system's settings: whose tokens count. Nothing that a user sets, no variable and no folder, leads elsewhere.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use golden::{Context, Error, Result};
use serde::Deserialize;

/// Where the settings are.
const PATH: &str = "/etc/golden/golden.toml";

/// The most that is read of a file.
const LARGEST: u64 = 1024 * 1024;

/// Clocks do not differ by more.
const LONGEST_LEEWAY: u64 = 600;

/// Whose tokens count.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// Who makes them: `iss`.
    pub issuer: String,
    /// For whom they are: one of `aud`.
    pub audience: String,
    /// The issuer's keys: a file, or an https URL.
    pub jwks: String,
    /// By how many seconds clocks may differ.
    #[serde(default = "leeway")]
    pub leeway: u64,
    /// The certificates by which the URL's host is known, if not by the system's.
    pub ca_file: Option<PathBuf>,
    /// A file that gets a line for each command, whatever the caller says.
    pub log: Option<PathBuf>,
}

fn leeway() -> u64 {
    30
}

/// The file as it stands. What is misspelt is an error, as it would leave a door open.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    auth: Option<Policy>,
}

impl Policy {
    /// That of this system; none where it names no issuer.
    pub fn of_this_system() -> Result<Option<Self>> {
        let path = Path::new(PATH);
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(|| format!("cannot read {PATH}")),
            Ok(_) => {}
        }
        let text = String::from_utf8(read_trusted(path)?).map_err(|_| Error::usage(format!("{PATH} is not UTF-8")))?;
        let settings: Settings =
            toml::from_str(&text).map_err(|error| Error::usage(error.to_string().trim_end()).context(PATH))?;
        settings.auth.map(Self::checked).transpose().map_err(|error| error.context(format_args!("{PATH}, [auth]")))
    }

    fn checked(self) -> Result<Self> {
        for (name, text) in [("issuer", &self.issuer), ("audience", &self.audience), ("jwks", &self.jwks)] {
            if text.is_empty() {
                return Err(Error::usage(format!("{name} is empty")));
            }
        }
        if self.leeway > LONGEST_LEEWAY {
            return Err(Error::usage(format!("leeway is at most {LONGEST_LEEWAY} seconds")));
        }
        let is_url = self.jwks.starts_with("https://");
        let jwks = Some(Path::new(&self.jwks)).filter(|_| !is_url);
        let files = [("jwks", jwks), ("ca-file", self.ca_file.as_deref()), ("log", self.log.as_deref())];
        for (name, file) in files {
            if file.is_some_and(|file| !file.is_absolute()) {
                // Whoever chooses the folder would choose the file.
                return Err(Error::usage(format!("{name} is the path of a file from / on"))
                    .guidance("or, for jwks, a URL that begins with https://"));
            }
        }
        Ok(self)
    }
}

/// Reads a file that says whom to trust: nobody but root can have written it.
pub fn read_trusted(path: &Path) -> Result<Vec<u8>> {
    let shown = path.display();
    let file = File::open(path).context(|| format!("cannot read {shown}"))?;
    let metadata = file.metadata().context(|| format!("cannot read {shown}"))?;
    if metadata.uid() != 0 || metadata.mode() & 0o022 != 0 {
        return Err(Error::environment(format!("{shown} can be changed by others than root, so it says nothing"))
            .guidance(format!("chown root {shown}; chmod go-w {shown}")));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).context(|| format!("cannot read {shown}"))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Error::environment(format!("{shown} is larger than {LARGEST} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(lines: &str) -> Result<Policy> {
        let text = format!("[auth]\nissuer = \"https://id.example.org\"\naudience = \"golden\"\n{lines}");
        let settings: Settings = toml::from_str(&text).map_err(|error| Error::usage(error.to_string()))?;
        settings.auth.map(Policy::checked).expect("a policy")
    }

    #[test]
    fn the_settings_of_the_documentation_count() {
        let page = include_str!("../../../docs/access.md");
        let shown = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("settings");
        let settings: Settings = toml::from_str(shown).expect("TOML");
        settings.auth.map(Policy::checked).expect("a policy").expect("one that counts");
    }

    #[test]
    fn what_a_user_could_move_is_no_setting() {
        assert_eq!(policy("jwks = \"/etc/golden/jwks.json\"").expect("a file").leeway, 30);
        assert!(policy("jwks = \"https://id.example.org/keys\"").is_ok());
        for wrong in [
            "jwks = \"jwks.json\"",
            "jwks = \"http://id.example.org/keys\"",
            "jwks = \"\"",
            "jwks = \"/j\"\nca-file = \"ca.pem\"",
            "jwks = \"/j\"\nlog = \"log\"",
            "jwks = \"/j\"\nleeway = 601",
            "jwks = \"/j\"\nleway = 1",
            "",
        ] {
            assert!(policy(wrong).is_err(), "{wrong}");
        }
    }
}

//! Which program embeds.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use golden::{Error, Result};

/// The program that is run unless another is named.
const DEFAULT: &str = "golden-embed";

/// A command that speaks the embedding protocol.
pub enum EmbedCommand {
    /// What the command line gave, for the shell.
    Shell(String),
    /// A program that was found.
    Program(PathBuf),
}

impl EmbedCommand {
    /// The `golden-embed` beside the running program, else the one on the PATH.
    pub fn find() -> Result<Self> {
        let own = std::env::current_exe().ok().and_then(|program| program.parent().map(Path::to_owned));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&path).filter(|folder| folder != Path::new(""));
        let mut candidates = own.into_iter().chain(on_path).map(|folder| folder.join(DEFAULT));
        match candidates.find(|candidate| is_executable(candidate)) {
            Some(program) => Ok(Self::Program(program)),
            None => Err(Error::usage("there is no golden-embed beside golden-import, and none on the PATH").guidance(
                "install it, or give --embed CMD to embed with another program, or --no-embed to keep the vectors of \
                 unchanged texts and leave others empty",
            )),
        }
    }

    /// The command with one more argument, or none.
    pub fn with(&self, argument: Option<&str>) -> Command {
        match self {
            Self::Shell(script) => {
                let mut command = Command::new("sh");
                let script = argument.map_or_else(|| script.clone(), |argument| format!("{script} {argument}"));
                command.arg("-c").arg(script);
                command
            }
            Self::Program(program) => {
                let mut command = Command::new(program);
                command.args(argument.map(OsStr::new));
                command
            }
        }
    }
}

impl fmt::Display for EmbedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell(script) => f.write_str(script),
            Self::Program(program) => write!(f, "{}", program.display()),
        }
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

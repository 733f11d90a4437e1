//! Man pages and shell completions, from the same clap definition as `--help`.

use std::io::{self, Write};

use clap::{Command, ValueEnum};
use clap_complete::Shell;

use crate::Result;

/// What `--generate` can print.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Generate {
    /// The man page, as roff
    Man,
    /// Completions for bash
    Bash,
    /// Completions for zsh
    Zsh,
    /// Completions for fish
    Fish,
}

/// The table that stands in every man page.
const EXIT_STATUS: &str = r#".SH "EXIT STATUS"
.TP
.B 0
done
.TP
.B 1
the data is wrong: verification failed, corrupt or conflicting input
.TP
.B 2
usage: the command line or golden.toml
.TP
.B 3
the environment failed: file, database, network, disk full
.TP
.B 4
locked by another process; try again
.TP
.B 5
denied: token or scope
"#;

/// Prints a man page or completions to stdout.
pub fn generate(mut command: Command, what: Generate) -> Result<()> {
    let mut text = Vec::new();
    let shell = match what {
        Generate::Man => {
            clap_mangen::Man::new(command).render(&mut text)?;
            text.extend_from_slice(EXIT_STATUS.as_bytes());
            io::stdout().write_all(&text)?;
            return Ok(());
        }
        Generate::Bash => Shell::Bash,
        Generate::Zsh => Shell::Zsh,
        Generate::Fish => Shell::Fish,
    };
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut text);
    io::stdout().write_all(&text)?;
    Ok(())
}

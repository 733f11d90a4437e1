//! Man pages and shell completions, from the same clap definition as `--help`.

use std::io::{self, Write};

use clap::{Command, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

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
            man_page(command, &mut text)?;
            io::stdout().write_all(&text)?;
            return Ok(());
        }
        Generate::Bash => Shell::Bash,
        Generate::Zsh => Shell::Zsh,
        Generate::Fish => Shell::Fish,
    };
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name.clone(), &mut text);
    if shell == Shell::Bash {
        text = with_reachable_commands(&name, &String::from_utf8_lossy(&text)).into_bytes();
    }
    io::stdout().write_all(&text)?;
    Ok(())
}

/// In a program with a hyphen in its name, clap_complete spells the label of a command in one way where it is chosen and in
/// another where its options are.
fn with_reachable_commands(name: &str, completions: &str) -> String {
    let (chosen, listed) = (name.replace('-', "__"), name.replace('-', "__subcmd__"));
    completions.replace(&format!("\n        {listed}__subcmd__"), &format!("\n        {chosen}__subcmd__"))
}

/// The program's page, with a section for each of its commands.
fn man_page(command: Command, page: &mut Vec<u8>) -> io::Result<()> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    Man::new(command.clone()).render(page)?;
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        let name = subcommand.get_bin_name().unwrap_or_else(|| subcommand.get_name());
        writeln!(page, ".SH \"{}\"", name.to_uppercase())?;
        let mut section = Vec::new();
        let man = Man::new(subcommand.clone());
        man.render_synopsis_section(&mut section)?;
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        // What is a section of a page of its own is a part of this one's.
        let section = String::from_utf8_lossy(&section);
        section.lines().try_for_each(|line| match line.strip_prefix(".SH ") {
            Some(heading) => writeln!(page, ".SS {heading}"),
            None => writeln!(page, "{line}"),
        })?;
    }
    page.write_all(EXIT_STATUS.as_bytes())
}

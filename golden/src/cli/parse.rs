//! Reading the command line.

use clap::{ArgMatches, Parser};

/// Reads the command line as [`Parser::parse`] does, and keeps how it was given.
pub fn parse<C: Parser>() -> (C, ArgMatches) {
    let matches = C::command().get_matches();
    match C::from_arg_matches(&matches) {
        Ok(cli) => (cli, matches),
        Err(error) => error.format(&mut C::command()).exit(),
    }
}

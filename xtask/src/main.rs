//! `cargo xtask dist`: a release archive and a Debian package of the programs.

mod debian;
mod licences;
mod run;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};
use golden::cli::{ReportArgs, Reporter, Stream, finish};
use golden::{Context, Result};

use crate::run::run;
use crate::tree::Tree;

/// What is packed: every program of the workspace.
const PROGRAMS: [&str; 7] =
    ["golden-export", "golden-verify", "golden-import", "golden-embed", "golden-version", "faiss-snap", "faiss-index"];

/// What is done with the project itself
#[derive(Parser, Debug)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Task,

    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Subcommand, Debug)]
enum Task {
    /// Build the programs and pack them, with man pages, completions, scripts, documentation and licences
    Dist(Dist),
}

#[derive(clap::Args, Debug)]
struct Dist {
    /// The profile to build with
    #[arg(long, value_name = "PROFILE", default_value = "release")]
    profile: String,

    /// Build nothing: pack the programs in this folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "profile")]
    programs: Option<PathBuf>,

    /// Where the packages go
    #[arg(long, value_name = "FOLDER", default_value = "target/dist")]
    output: PathBuf,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let reporter = Reporter::new(&cli.report, Stream::Stdout);
    let Task::Dist(arguments) = &cli.command;
    finish("xtask", &reporter, dist(arguments, &reporter))
}

fn dist(arguments: &Dist, reporter: &Reporter) -> Result<ExitCode> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let metadata = licences::metadata(project)?;
    let programs = match &arguments.programs {
        Some(folder) => folder.clone(),
        None => build(project, &metadata, &arguments.profile)?,
    };
    fs::create_dir_all(&arguments.output).context(|| format!("cannot make {}", arguments.output.display()))?;
    let output = arguments.output.canonicalize().context(|| "cannot find the folder of packages")?;

    let name = format!("golden-tools-{}-{}-linux", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    let tree = Tree::lay(&output.join(&name), project, &programs)?;
    licences::write(&metadata, project, &tree.documentation())?;
    let archive = tree::archive(&output, &name)?;
    let package = debian::package(&tree, &output)?;
    fs::remove_dir_all(tree.root()).context(|| format!("cannot remove {}", tree.root().display()))?;
    for file in [archive, package] {
        reporter.note(format_args!("packed {}", file.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds all programs, and gives the folder in which they are.
fn build(project: &Path, metadata: &serde_json::Value, profile: &str) -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(project).args(["build", "--locked", "--profile", profile]);
    cargo.args(PROGRAMS.iter().flat_map(|program| ["--package", program]));
    run(&mut cargo)?;
    let target = metadata["target_directory"].as_str().unwrap_or("target");
    Ok(Path::new(target).join(if profile == "dev" { "debug" } else { profile }))
}

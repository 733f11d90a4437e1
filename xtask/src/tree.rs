//! The files of a release, laid out as below `/usr`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use golden::{Context, Result};

use crate::PROGRAMS;
use crate::run::run;

/// The files, in a folder of their own.
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Puts everything there but the licences of others.
    pub fn lay(root: &Path, project: &Path, programs: &Path) -> Result<Self> {
        let tree = Self { root: root.to_owned() };
        if root.exists() {
            fs::remove_dir_all(root).context(|| format!("cannot replace {}", root.display()))?;
        }
        for program in PROGRAMS {
            let binary = tree.folder("bin")?.join(program);
            copy(&programs.join(program), &binary)?;
            // What a debugger wants is most of a program; where there is no strip, it stays.
            let _ = Command::new("strip").arg("--strip-debug").arg(&binary).status();
            let generate = |what| run(Command::new(&binary).args(["--generate", what]));
            for (what, folder, name) in [
                ("man", "share/man/man1", format!("{program}.1")),
                ("bash", "share/bash-completion/completions", program.to_owned()),
                ("zsh", "share/zsh/vendor-completions", format!("_{program}")),
                ("fish", "share/fish/vendor_completions.d", format!("{program}.fish")),
            ] {
                write(&tree.folder(folder)?.join(name), &generate(what)?)?;
            }
        }
        for (from, to) in [
            ("scripts", "share/golden-tools/scripts"),
            ("examples", "share/doc/golden-tools/examples"),
            ("docs", "share/doc/golden-tools/docs"),
        ] {
            copy_all(&project.join(from), &tree.folder(to)?)?;
        }
        // They build what is in the archive already.
        for script in ["quickstart.sh", "test.sh"] {
            let path = tree.root.join("share/golden-tools/scripts").join(script);
            fs::remove_file(&path).context(|| format!("cannot leave out {}", path.display()))?;
        }
        for page in ["README.md", "CHANGELOG.md", "LICENSE"] {
            copy(&project.join(page), &tree.documentation().join(page))?;
        }
        Ok(tree)
    }

    /// Where they are.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of pages and licences.
    pub fn documentation(&self) -> PathBuf {
        self.root.join("share/doc/golden-tools")
    }

    /// A folder in it, made where it is missing.
    fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.root.join(name);
        fs::create_dir_all(&folder).context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }
}

/// Packs a folder into `NAME.tar.gz` beside it: the same files give the same archive.
pub fn archive(output: &Path, name: &str) -> Result<PathBuf> {
    let archive = output.join(format!("{name}.tar.gz"));
    let date = std::env::var("SOURCE_DATE_EPOCH").unwrap_or_else(|_| "0".to_owned());
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"]);
    tar.arg(format!("--mtime=@{date}")).args(["--use-compress-program=gzip -n", "-cf"]).arg(&archive);
    run(tar.arg("-C").arg(output).arg(name))?;
    Ok(archive)
}

/// Writes a file.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content).context(|| format!("cannot write {}", path.display()))
}

/// Copies a file with its mode.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// Copies a folder with all that is in it.
pub fn copy_all(from: &Path, to: &Path) -> Result<()> {
    let cannot_read = || format!("cannot read {}", from.display());
    fs::create_dir_all(to).context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).context(cannot_read)? {
        let entry = entry.context(cannot_read)?;
        let (path, copied) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() { copy_all(&path, &copied)? } else { copy(&path, &copied)? }
    }
    Ok(())
}

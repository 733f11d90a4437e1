//! A Debian package of a laid out tree.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use golden::{Context, Result};

use crate::run::run;
use crate::tree::{Tree, copy_all, write};

/// What the package says of itself. What faiss-index alone links is only recommended: the other programs do without.
const CONTROL: &str = "\
Package: golden-tools
Version: {version}
Architecture: {architecture}
Maintainer: the golden tools
Section: database
Priority: optional
Installed-Size: {size}
Depends: libc6 (>= {libc}), libgcc-s1
Recommends: libblas3, liblapack3, libgomp1, libstdc++6, git, jq, sqlite3
Description: golden datasets, snapshots and versions
 Takes a golden dataset out of SQLite or PostgreSQL as one reviewable document, proves it intact, and puts it back with
 embeddings made anew; takes, rotates and rehearses snapshots of a database and its FAISS indexes; keeps versions of
 any table.
";

/// Packs the tree below `/usr`.
pub fn package(tree: &Tree, output: &Path) -> Result<PathBuf> {
    let text =
        |command: &mut Command| -> Result<String> { Ok(String::from_utf8_lossy(&run(command)?).trim().to_owned()) };
    let architecture = text(Command::new("dpkg").arg("--print-architecture"))?;
    // "ldd (Debian GLIBC 2.36-9) 2.36": what is linked against this one may need it.
    let libc = text(Command::new("ldd").arg("--version"))?;
    let libc = libc.lines().next().and_then(|line| line.split(' ').next_back()).unwrap_or("2.36").to_owned();
    let root = output.join("debian");
    if root.exists() {
        fs::remove_dir_all(&root).context(|| format!("cannot replace {}", root.display()))?;
    }
    copy_all(tree.root(), &root.join("usr"))?;
    for entry in fs::read_dir(root.join("usr/share/man/man1")).context(|| "cannot read the man pages")? {
        let page = entry.context(|| "cannot read the man pages")?;
        run(Command::new("gzip").args(["-9", "-n"]).arg(page.path()))?;
    }
    let size = text(Command::new("du").args(["-sk", "--apparent-size"]).arg(&root))?;
    let control = CONTROL
        .replace("{version}", env!("CARGO_PKG_VERSION"))
        .replace("{architecture}", &architecture)
        .replace("{size}", size.split('\t').next().unwrap_or("0"))
        .replace("{libc}", &libc);
    let administration = root.join("DEBIAN");
    fs::create_dir_all(&administration).context(|| "cannot make the package's control files")?;
    // Whatever the umask of whoever packs: dpkg takes no other.
    fs::set_permissions(&administration, fs::Permissions::from_mode(0o755)).context(|| "cannot set a mode")?;
    write(&administration.join("control"), control.as_bytes())?;
    let package = output.join(format!("golden-tools_{}_{architecture}.deb", env!("CARGO_PKG_VERSION")));
    run(Command::new("dpkg-deb").args(["--root-owner-group", "-Zgzip", "--build"]).arg(&root).arg(&package))?;
    fs::remove_dir_all(&root).context(|| format!("cannot remove {}", root.display()))?;
    Ok(package)
}

//! Whose work is linked into the programs, and under which licences: as text for people, as SPDX for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use golden::{Context, Error, Result};
use serde_json::{Value, json};

use crate::PROGRAMS;
use crate::run::run;
use crate::tree::write as write_file;

/// Files of a crate whose names begin so are its licence.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];

/// What cargo knows of all packages, as built for this machine.
pub fn metadata(project: &Path) -> Result<Value> {
    let mut version = Command::new(env!("CARGO"));
    let version = String::from_utf8_lossy(&run(version.args(["--version", "--verbose"]))?).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("x86_64-unknown-linux-gnu");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(project).args(["metadata", "--format-version=1", "--locked", "--filter-platform", host]);
    serde_json::from_slice(&run(&mut cargo)?).map_err(|error| Error::environment(format!("cargo metadata: {error}")))
}

/// Writes `LICENCES.txt` and `sbom.spdx.json`.
pub fn write(metadata: &Value, project: &Path, folder: &Path) -> Result<()> {
    let packages = linked(metadata)?;
    write_file(&folder.join("LICENCES.txt"), list(&packages, project)?.as_bytes())?;
    write_file(&folder.join("sbom.spdx.json"), format!("{:#}\n", spdx(&packages)).as_bytes())
}

/// The packages of others that are compiled into the programs, by name and version.
fn linked(metadata: &Value) -> Result<Vec<&Value>> {
    let members = |value: &'static str| metadata[value].as_array().into_iter().flatten();
    let by_id: BTreeMap<_, _> = members("packages").map(|package| (text(&package["id"]), package)).collect();
    let nodes = metadata["resolve"]["nodes"].as_array().into_iter().flatten();
    let nodes: BTreeMap<_, _> = nodes.map(|node| (text(&node["id"]), node)).collect();
    let is_program = |package: &&Value| PROGRAMS.contains(&text(&package["name"]));
    let mut open: Vec<_> = members("packages").filter(is_program).map(|package| text(&package["id"])).collect();
    if open.len() != PROGRAMS.len() {
        return Err(Error::environment("cargo does not know all of the programs"));
    }
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let dependencies = nodes.get(id).into_iter().flat_map(|node| node["deps"].as_array()).flatten();
        for dependency in dependencies {
            // Neither what only builds nor what only tests, nor what runs in the compiler.
            let is_linked = dependency["dep_kinds"].as_array().into_iter().flatten().any(|kind| kind["kind"].is_null());
            let id = text(&dependency["pkg"]);
            if is_linked && by_id.get(id).is_some_and(|package| !is_macro(package)) {
                open.push(id);
            }
        }
    }
    let foreign = seen.iter().filter_map(|id| by_id.get(id)).filter(|package| !package["source"].is_null());
    let mut linked: Vec<_> = foreign.copied().collect();
    linked.sort_by_key(|package| (text(&package["name"]), text(&package["version"])));
    Ok(linked)
}

fn is_macro(package: &Value) -> bool {
    let kinds =
        package["targets"].as_array().into_iter().flatten().flat_map(|target| target["kind"].as_array()).flatten();
    kinds.into_iter().any(|kind| kind == "proc-macro")
}

/// A line a package, then every text once, with the packages that it is of.
fn list(packages: &[&Value], project: &Path) -> Result<String> {
    let mut list = "What is linked into the golden tools, and under which licences.\n\n".to_owned();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages {
        let name = format!("{} {}", text(&package["name"]), text(&package["version"]));
        let _ = writeln!(list, "{name}: {}", licence(package));
        let folder = Path::new(text(&package["manifest_path"])).parent().unwrap_or(Path::new("."));
        for licence in texts_in(folder)? {
            texts.entry(licence).or_default().push(name.clone());
        }
    }
    // The model inside golden-embed is no package.
    let model = project.join("golden-embed/model");
    for entry in fs::read_dir(&model).context(|| format!("cannot read {}", model.display()))? {
        let folder = entry.context(|| format!("cannot read {}", model.display()))?;
        let name = format!("the model {} in golden-embed", folder.file_name().to_string_lossy());
        let _ = writeln!(list, "{name}: its text below");
        for licence in texts_in(&folder.path())? {
            texts.entry(licence).or_default().push(name.clone());
        }
    }
    list.push_str("\nSQLite, inside libsqlite3-sys, is in the public domain. FAISS, inside faiss-sys, is under the MIT licence.\n");
    for (licence, names) in texts {
        let _ = write!(list, "\n{}\n{}\n\n{}\n", "-".repeat(80), names.join(", "), licence.trim_end());
    }
    Ok(list)
}

/// The texts of the licences in a folder.
fn texts_in(folder: &Path) -> Result<Vec<String>> {
    let cannot_read = || format!("cannot read {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).context(cannot_read)? {
        let entry = entry.context(cannot_read)?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if NAMES.iter().any(|start| name.starts_with(start)) && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    let read = |path: &std::path::PathBuf| fs::read(path).context(|| format!("cannot read {}", path.display()));
    files.iter().map(|path| Ok(String::from_utf8_lossy(&read(path)?).replace("\r\n", "\n"))).collect()
}

fn spdx(packages: &[&Value]) -> Value {
    let packages = packages.iter().map(|package| {
        let (name, version) = (text(&package["name"]), text(&package["version"]));
        json!({
            "SPDXID": format!("SPDXRef-{name}-{}", version.replace('+', "-")),
            "name": name,
            "versionInfo": version,
            "downloadLocation": "NOASSERTION",
            "licenseDeclared": licence(package),
            "licenseConcluded": "NOASSERTION",
            "copyrightText": "NOASSERTION",
            "filesAnalyzed": false,
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": format!("pkg:cargo/{name}@{version}"),
            }],
        })
    });
    let name = concat!("golden-tools-", env!("CARGO_PKG_VERSION"));
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": format!("urn:golden-tools:{name}"),
        // The same sources give the same file.
        "creationInfo": {"created": "1970-01-01T00:00:00Z", "creators": ["Tool: cargo xtask dist"]},
        "packages": packages.collect::<Vec<_>>(),
    })
}

/// The licence as SPDX spells it; older crates write a slash for OR.
fn licence(package: &Value) -> String {
    match package["license"].as_str() {
        Some(licence) => licence.replace(" / ", " OR ").replace('/', " OR "),
        None => "NOASSERTION".to_owned(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

//! A release: what is packed, whose work is in it, and that the Debian package installs, works and goes. Budget: 40 s.

use std::collections::BTreeSet;
use std::process::Command;

use golden_tests::{Sandbox, faiss_index, programs, tools_present};
use serde_json::Value;

const PROGRAMS: [&str; 7] =
    ["golden-export", "golden-verify", "golden-import", "golden-embed", "golden-version", "faiss-snap", "faiss-index"];

/// A folder with both packages of the programs under test.
fn packed() -> Option<Sandbox> {
    faiss_index()?;
    if !tools_present(&["tar", "gzip", "dpkg", "dpkg-deb", "ldd"]) {
        return None;
    }
    let sandbox = Sandbox::new();
    // In the environment of the tests: cargo's own folders are known by it.
    let mut xtask = Command::new(programs().join("xtask"));
    xtask.args(["dist", "--programs"]).arg(programs()).arg("--output").arg(sandbox.path("dist"));
    assert!(xtask.status().expect("xtask").success());
    Some(sandbox)
}

#[test]
fn the_archive_is_complete_and_the_package_installs_works_and_goes() {
    let Some(sandbox) = packed() else { return };
    assert_eq!(sandbox.sh("ls dist | wc -l").text(), "2\n", "nothing but two packages");
    sandbox.sh("mkdir unpacked && tar -xzf dist/*.tar.gz --strip-components 1 -C unpacked").ok();
    for program in PROGRAMS {
        sandbox.sh(&format!("unpacked/bin/{program} --version")).ok().says(env!("CARGO_PKG_VERSION"));
        let page = sandbox.read(&format!("unpacked/share/man/man1/{program}.1"));
        assert!(page.starts_with(b".") && String::from_utf8_lossy(&page).contains("EXIT STATUS"));
        for completions in
            ["bash-completion/completions/$P", "zsh/vendor-completions/_$P", "fish/vendor_completions.d/$P.fish"]
        {
            sandbox.sh(&format!("P={program}; grep -q -- --help unpacked/share/{completions}")).ok();
        }
    }
    sandbox.sh("test -x unpacked/share/golden-tools/scripts/run_job.sh && test -s unpacked/share/doc/golden-tools/docs/timers.md").ok();
    licences_are_those_of_what_is_linked(&sandbox);

    // A root of its own, which knows of no other package.
    let dpkg = "dpkg --root=$PWD/root --log=/dev/null --force-depends";
    let dpkg = format!("$([ $(id -u) = 0 ] || echo unshare --map-root-user) {dpkg}");
    sandbox.sh("mkdir -p root/var/lib/dpkg/info root/var/lib/dpkg/updates && touch root/var/lib/dpkg/status").ok();
    sandbox.sh(&format!("{dpkg} --install dist/*.deb")).ok();
    sandbox.sh("test $(stat -c %a root/usr/bin/golden-export) = 755 && zcat root/usr/share/man/man1/faiss-snap.1.gz | grep -q SYNOPSIS").ok();
    the_main_job(&sandbox);
    sandbox.sh(&format!("{dpkg} --purge golden-tools")).ok();
    assert_eq!(sandbox.sh("find root -path root/var -prune -o -type f -print").ok().text(), "");
}

/// What the quickstart shows, by the programs and scripts that were installed alone.
fn the_main_job(sandbox: &Sandbox) {
    std::fs::create_dir(sandbox.path("data")).expect("a folder");
    sandbox.sql("data/app.db", golden_tests::SMALL);
    let script = "export PATH=$PWD/root/usr/bin:/usr/bin:/bin
        ! command -v golden-export | grep -v root/usr/bin || exit 1
        golden-export --db data/app.db --output golden.json && golden-verify golden.json &&
        golden-verify --tee golden.json | golden-import --db data/copy.db --init &&
        golden-verify --db data/copy.db golden.json &&
        golden-version create --dataset chunks --tag first &&
        mkdir -p data/faiss && faiss-snap rebuild --db data/copy.db --faiss data/faiss &&
        faiss-index check data/faiss/chunks.index && faiss-snap create && faiss-snap verify --deep &&
        scripts=root/usr/share/golden-tools/scripts &&
        $scripts/install_timers.sh --system --folder . --to units --write >&2 &&
        $(sed -n 's/^ExecStart=//p' units/golden-snapshot.service) && ls backups/snapshot_*.json | wc -l";
    assert!(sandbox.sh(script).ok().text().ends_with("\n2\n"));
}

fn licences_are_those_of_what_is_linked(sandbox: &Sandbox) {
    let documentation = "unpacked/share/doc/golden-tools";
    let sbom = sandbox.json(&format!("{documentation}/sbom.spdx.json"));
    assert_eq!(sbom["spdxVersion"], "SPDX-2.3");
    let packages = sbom["packages"].as_array().expect("packages");
    let text = |package: &Value, member: &str| package[member].as_str().expect("text").to_owned();
    let names: BTreeSet<_> = packages.iter().map(|package| text(package, "name")).collect();
    for linked in ["rusqlite", "libsqlite3-sys", "serde_json", "rten", "faiss-sys", "postgres", "parquet", "clap"] {
        assert!(names.contains(linked), "{linked}");
    }
    for elsewhere in ["trycmd", "proptest", "serde_derive", "cc", "golden", "xtask"] {
        assert!(!names.contains(elsewhere), "{elsewhere}");
    }
    let list = String::from_utf8(sandbox.read(&format!("{documentation}/LICENCES.txt"))).expect("text");
    let lock = include_str!("../../Cargo.lock");
    for package in packages {
        let (name, version) = (text(package, "name"), text(package, "versionInfo"));
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "{name} {version}");
        let licence = text(package, "licenseDeclared");
        assert!(
            licence != "NOASSERTION" && list.contains(&format!("\n{name} {version}: {licence}\n")),
            "{name}: {licence}"
        );
        assert!(!licence.contains("GPL-3.0-only") && !licence.contains('/'), "{name}: {licence}");
    }
    for part in ["Apache License", "Permission is hereby granted", "the model all-MiniLM-L6-v2-int8 in golden-embed"] {
        assert!(list.contains(part), "{part}");
    }
}

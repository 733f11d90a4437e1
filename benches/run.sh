#!/usr/bin/env bash
# The comparison with sha256sum, sqlite3, pg_dump and psql, as tables. `--help` lists the options; `--long` adds 2 GB;
# `--snapshots 1GB` compares snapshots with cp, rsync, sqlite3 and restic instead.
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo run --release --quiet -p golden-benches --bin golden-bench -- "$@"

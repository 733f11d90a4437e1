#!/usr/bin/env bash
# The comparison with sha256sum and sqlite3, as tables. `--help` lists the options; `--long` adds 2 GB.
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo run --release --quiet -p golden-benches --bin golden-bench -- "$@"

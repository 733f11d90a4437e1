#!/usr/bin/env bash
# golden-version beside DuckDB, DVC and deltalake, on a table of a million rows. `--help` lists the options.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${CARGO_TARGET_DIR:-target}/bench
if [[ ! -x $folder/.venv/bin/dvc ]]; then
  python3 -m venv --clear "$folder/.venv"
  "$folder/.venv/bin/pip" install --quiet --disable-pip-version-check -r benches/requirements.txt
fi
cargo build --release --quiet -p golden-version
exec "$folder/.venv/bin/python" benches/versions.py --program "${CARGO_TARGET_DIR:-target}/release/golden-version" \
  --folder "$folder" "$@"

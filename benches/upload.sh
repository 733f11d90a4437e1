#!/usr/bin/env bash
# golden-version's snapshots into a bucket, beside cp into the folder of the bucket's server. `--help` lists the options.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${CARGO_TARGET_DIR:-target}/bench
# Of the servers of S3's protocol in package registries, the one that keeps objects as files.
if [[ ! -x $folder/node/node_modules/.bin/s3rver ]]; then
  mkdir -p "$folder/node"
  npm install --silent --no-audit --no-fund --prefix "$folder/node" s3rver@3.7.1
fi
cargo build --release --quiet -p golden-version
exec python3 benches/upload.py --program "${CARGO_TARGET_DIR:-target}/release/golden-version" \
  --server "$folder/node/node_modules/.bin/s3rver" --folder "$folder" "$@"

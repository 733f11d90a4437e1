#!/usr/bin/env bash
# Takes a snapshot of ./data/app.db and ./data/faiss/ into ./backups/, while the application runs, and
# proves it whole. Options go to `faiss-snap create`: scripts/backup_dev.sh --gzip --tag before-import
set -euo pipefail
PATH="$PATH:$(cd "$(dirname "$0")/.." && pwd)/target/release"

[[ " $* " != *' --help '* ]] || exec faiss-snap create --help
faiss-snap create "$@"
faiss-snap verify latest --quiet

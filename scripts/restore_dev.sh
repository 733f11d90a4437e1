#!/usr/bin/env bash
# Puts a snapshot back into ./data/: the database, and the indexes that belong to it.
# Stop the application first.
set -euo pipefail
PATH="$PATH:$(cd "$(dirname "$0")/.." && pwd)/target/release"

if [ $# -lt 1 ]; then
  echo "Usage: $0 <sqlite_backup_file | snapshot | latest> [options of faiss-snap restore]" >&2
  echo "Example: $0 ./backups/app_20250101_120000.db" >&2
  exit 2
fi

faiss-snap restore "$@"

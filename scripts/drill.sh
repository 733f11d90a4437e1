#!/usr/bin/env bash
# Rehearses a restore of the newest snapshot and of the golden document, away from the live data; evidence of it is
# written to ./backups/drills/. Options go to `faiss-snap drill`: scripts/drill.sh --queries queries.jsonl
# Exit status: 0 good, 1 bad, 2 usage, 3 inconclusive, 4 locked.
set -euo pipefail
PATH="$PATH:$(cd "$(dirname "$0")/.." && pwd)/target/release"

exec faiss-snap drill "$@"

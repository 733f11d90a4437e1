#!/usr/bin/env bash
# Seals a version of a dataset under today's date, then compacts the dataset's chain of versions.
set -euo pipefail
PATH="$PATH:$(cd "$(dirname "$0")/.." && pwd)/target/release"

usage() {
  cat <<'HELP'
Usage: version_dataset.sh DATASET [OPTIONS OF golden-version create AND compact: --db, --snapshots, --quiet]

The version's tag is the time in UTC, v20250101-041000. One is sealed also where nothing changed, and says so.
Example: version_dataset.sh candidate_links --db data/app.db
Exit status: 0 done, 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked.
HELP
}
(($#)) || { usage >&2 && exit 2; }
[[ " $* " != *' --help '* ]] || { usage && exit; }

dataset=$1
shift
golden-version create --dataset "$dataset" --tag "v$(date -u +%Y%m%d-%H%M%S)" --description 'by the clock' "$@"
golden-version compact --dataset "$dataset" "$@"

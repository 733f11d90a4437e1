#!/usr/bin/env bash
# Makes all vectors of a database anew with today's model, then the indexes from them.
set -euo pipefail
scripts=$(cd "$(dirname "$0")" && pwd)
PATH="$PATH:${scripts%/*}/target/release"

usage() {
  cat <<'HELP'
Usage: regenerate_embeddings.sh [OPTIONS] [-- OPTIONS OF golden-import]

  --db DATABASE   SQLite file, sqlite: or postgres: URL [default: $DATABASE_URL, then ./data/app.db]
  --schema FILE   mapping of tables and columns, as for golden-export
  --embed CMD     what makes the vectors [default: golden-embed]
  --missing       only for chunks that have no vector
  --faiss FOLDER  the folder of indexes, which are made anew from the vectors [default: ./data/faiss]
  --no-index      leave the indexes as they are
  --quiet         print warnings and errors only

Chunks of all analyses are embedded, whatever their status. The old vectors stay until the last new one is there; then
one transaction replaces them. A change of the model needs -- --change-model; -- --max-drift X stops if searches find
other neighbours than before; after a failure of the embedder -- --resume goes on where it stopped.
Example: regenerate_embeddings.sh --db data/app.db -- --change-model
Exit status: 0 done, 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked.
HELP
}
fail() { echo "regenerate_embeddings.sh: $2" >&2; exit "$1"; }
say() { ((quiet)) || echo "$*"; }

db=() which=(--all) embed='golden-embed --quiet' faiss=./data/faiss index=1 quiet=0 import=()
while (($#)); do
  case $1 in
    --db | --schema | --embed | --faiss)
      (($# > 1)) || fail 2 "$1 needs a value"
      case $1 in
        --db) db=(--db "$2") ;;
        --schema) export GOLDEN_SCHEMA=$2 ;;
        --embed) embed=$2 ;;
        --faiss) faiss=$2 ;;
      esac
      shift
      ;;
    --missing) which=(--all --missing) ;;
    --no-index) index=0 ;;
    --quiet) quiet=1 ;;
    --help) usage && exit ;;
    --) shift && import=("$@") && break ;;
    *) fail 2 "unknown argument $1; --help shows the options" ;;
  esac
  shift
done

# A chunk without a text has a line that says so, and ends the embedder with 1: what that means, golden-import knows.
vectors() { golden-export --quiet --chunks "${which[@]}" "${db[@]}" | { sh -c "$embed" || (($? == 1)); }; }
if ((quiet)); then import+=(--quiet); fi
report=$(vectors | golden-import --vectors "${db[@]}" "${import[@]}") || fail $? 'the vectors are the old ones'
say "$report"
((index)) || exit 0
"$scripts/rebuild_index.sh" "${db[@]}" --embed "$embed" --faiss "$faiss" || fail $? 'the vectors are new, the indexes are the old ones'
say "made the indexes in $faiss anew"

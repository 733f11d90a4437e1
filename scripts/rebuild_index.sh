#!/usr/bin/env bash
# Makes the FAISS indexes anew after the vectors of a database have changed.
set -euo pipefail
PATH="$PATH:$(cd "$(dirname "$0")/.." && pwd)/target/release"

usage() {
  cat <<'HELP'
Usage: rebuild_index.sh [OPTIONS]

  --db DATABASE   SQLite file, sqlite: or postgres: URL [default: $DATABASE_URL, then ./data/app.db]
  --schema FILE   mapping of tables and columns, as for golden-export
  --faiss FOLDER  the folder of indexes [default: ./data/faiss]
  --embed CMD     what made the vectors; for PostgreSQL only, whose vectors are made again [default: golden-embed]

For SQLite this is faiss-snap rebuild. Of a database in PostgreSQL, the texts are embedded (what golden-embed has in its
cache is not made twice) and become FOLDER/chunks.index.
Example: rebuild_index.sh --db data/app.db --faiss data/faiss
Exit status: 0 done, 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked.
HELP
}
fail() { echo "rebuild_index.sh: $2" >&2; exit "$1"; }

db=${DATABASE_URL:-./data/app.db} faiss=./data/faiss embed='golden-embed --quiet'
while (($#)); do
  case $1 in
    --db | --schema | --faiss | --embed)
      (($# > 1)) || fail 2 "$1 needs a value"
      case $1 in
        --db) db=$2 ;;
        --schema) export GOLDEN_SCHEMA=$2 ;;
        --faiss) faiss=$2 ;;
        --embed) embed=$2 ;;
      esac
      shift
      ;;
    --help) usage && exit ;;
    *) fail 2 "unknown argument $1; --help shows the options" ;;
  esac
  shift
done

mkdir -p -- "$faiss" || fail 3 "cannot make the folder $faiss"
export DATABASE_URL=$db
case $db in
  postgres*:*) golden-export --quiet --chunks | sh -c "$embed" | faiss-index build --quiet --output "$faiss/chunks.index" ;;
  *) faiss-snap rebuild --quiet --db "$db" --faiss "$faiss" ;;
esac

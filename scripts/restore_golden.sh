#!/usr/bin/env bash
# Puts a golden document back into a database, and proves that it is there: counts, digests, vectors, a search.
set -euo pipefail
scripts=$(cd "$(dirname "$0")" && pwd)
PATH="$PATH:${scripts%/*}/target/release"

usage() {
  cat <<'HELP'
Usage: restore_golden.sh [OPTIONS] [FILE] [-- OPTIONS OF golden-import]

  FILE            the document [default: ./golden.json]
  --db DATABASE   SQLite file, sqlite: or postgres: URL [default: $DATABASE_URL, then ./data/app.db]
  --schema FILE   mapping of tables and columns, as for golden-import
  --replace       make the dataset equal to the document: what differs is updated, what is not in it goes
  --embed CMD     what makes the vectors [default: golden-embed]
  --faiss FOLDER  the folder of indexes, which are made anew from the vectors [default: ./data/faiss]
  --no-index      leave the indexes as they are
  --quiet         print warnings and errors only

Without --replace the document's records are added; what is there already and identical is left alone. With it, the
database is compared with the document at the end. smoke.sh follows, which asks $HEALTH_URL too where that is set.
Example: restore_golden.sh --replace --db data/app.db golden.json
Exit status: 0 done, 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked.
HELP
}
fail() { echo "restore_golden.sh: $2" >&2; exit "$1"; }
say() { ((quiet)) || echo "$*"; }

document='' db=() replace=() embed=() faiss=./data/faiss index=1 quiet=0 import=()
while (($#)); do
  case $1 in
    --db | --schema | --embed | --faiss)
      (($# > 1)) || fail 2 "$1 needs a value"
      case $1 in
        --db) db=(--db "$2") ;;
        --schema) export GOLDEN_SCHEMA=$2 ;;
        --embed) embed=(--embed "$2") ;;
        --faiss) faiss=$2 ;;
      esac
      shift
      ;;
    --replace) replace=(--replace) ;;
    --no-index) index=0 ;;
    --quiet) quiet=1 ;;
    --help) usage && exit ;;
    --) shift && import=("$@") && break ;;
    -*) fail 2 "unknown argument $1; --help shows the options" ;;
    *) [[ -z $document ]] || fail 2 'one document at a time'; document=$1 ;;
  esac
  shift
done
document=${document:-./golden.json}

if ((quiet)); then import+=(--quiet); fi
report=$(golden-import "${db[@]}" "${replace[@]}" "${embed[@]}" "${import[@]}" "$document") || fail $? 'nothing was restored'
say "$report"
smoke=("${db[@]}" --quiet)
if ((${#replace[@]})); then smoke+=(--document "$document"); fi
if ((index)); then
  "$scripts/rebuild_index.sh" "${db[@]}" "${embed[@]}" --faiss "$faiss" || fail $? 'the dataset is restored, its indexes are the old ones'
  say "made the indexes in $faiss anew"
  smoke+=(--faiss "$faiss" "${embed[@]}")
else
  smoke+=(--no-index)
fi
"$scripts/smoke.sh" "${smoke[@]}" || fail $? 'the dataset is restored, but something is wrong with it'
say 'the smoke tests passed; restart the application'

#!/usr/bin/env bash
# Whether a database is fit for use, as after a restore: integrity, counts, a search through FAISS, the application.
set -euo pipefail
PATH="$PATH:$(cd "$(dirname "$0")/.." && pwd)/target/release"

usage() {
  cat <<'HELP'
Usage: smoke.sh [OPTIONS]

  --db DATABASE    SQLite file, sqlite: or postgres: URL [default: $DATABASE_URL, then ./data/app.db]
  --schema FILE    mapping of tables and columns, as for golden-export
  --document FILE  the document whose counts and digests the database must have; without, it must hold anything at all
  --faiss FOLDER   the folder of indexes [default: ./data/faiss]
  --no-index       search in no index
  --embed CMD      what made the vectors, for the search [default: golden-embed]
  --quiet          print warnings and errors only

Every index is loaded and searched for vectors of its own. Where there is a chunks.index, some chunks' texts are embedded
and searched for: half of them must be among their own ten nearest.
HEALTH_URL names the application's health page; it must answer within 30 seconds.
Example: HEALTH_URL=http://localhost:8000/health smoke.sh --db data/app.db --document golden.json
Exit status: 0 all is well, 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked.
HELP
}
fail() { echo "smoke.sh: $2" >&2; exit "$1"; }
say() { ((quiet)) || echo "$*"; }
# shellcheck source=scripts/sql_database.sh
. "$(dirname "${BASH_SOURCE[0]}")/sql_database.sh"
need() { command -v "$1" >/dev/null || fail 3 "$1 is not on the path"; }

db=${DATABASE_URL:-./data/app.db} document='' faiss=./data/faiss index=1 embed='golden-embed --quiet' quiet=0
while (($#)); do
  case $1 in
    --db | --schema | --document | --faiss | --embed)
      (($# > 1)) || fail 2 "$1 needs a value"
      case $1 in
        --db) db=$2 ;;
        --schema) export GOLDEN_SCHEMA=$2 ;;
        --document) document=$2 ;;
        --faiss) faiss=$2 ;;
        --embed) embed=$2 ;;
      esac
      shift
      ;;
    --no-index) index=0 ;;
    --quiet) quiet=1 ;;
    --help) usage && exit ;;
    *) fail 2 "unknown argument $1; --help shows the options" ;;
  esac
  shift
done

case $db in
  # A password is handed on in the environment, where others cannot read it.
  postgres*:*) split_url "${db#*:}" && db=$place ;;
  *)
    need sqlite3
    path=${db#sqlite*:} path=${path#///} path=${path%%\?*}
    [[ $path == /* ]] || path=./$path
    [[ -f $path ]] || fail 3 "there is no database at $path"
    found=$(sqlite3 -batch -init /dev/null -readonly "$path" '.timeout 30000' 'PRAGMA integrity_check' 2>&1) || true
    [[ $found == ok ]] || fail 1 "$path is damaged: $found"
    say 'integrity: ok'
    ;;
esac
export DATABASE_URL=$db

if [[ -n $document ]]; then
  report=$(golden-verify --db "$db" "$document" 2>&1) || fail $? "the database does not hold $document
$report"
else
  report=$(golden-export --quiet | GOLDEN_SCHEMA=/dev/null golden-verify 2>&1) || fail $? "the dataset cannot be read whole
$report"
fi
counts=$(grep -m 1 -E '^  [0-9]+ analys' <<<"$report")
[[ ! $counts =~ ^\ *0\  ]] || fail 1 'the dataset is empty'
say "counts:${counts# }"

if ((index)); then
  need faiss-index
  shopt -s nullglob globstar
  found=0
  for file in "$faiss"/**/*.index "$faiss"/**/*.faiss; do
    # An empty file stands for the .npz beside it.
    [[ -s $file ]] || continue
    report=$(faiss-index check "$file" 2>&1) || fail $? "$file is not fit for a search
$report"
    found=$((found + 1))
  done
  ((found)) || fail 1 "there is no index in $faiss; rebuild_index.sh makes it"
  say "indexes: $found loaded and searched"
  if [[ -s $faiss/chunks.index ]]; then
    need jq
    # Twenty chunks from everywhere, whose texts say something.
    texts=$(golden-export --quiet --chunks | jq -c 'select(.text // "" | test("\\S"))')
    every=$(($(wc -l <<<"$texts") / 20 + 1))
    # UUIDs are compared without hyphens: a database may keep them so.
    found=$(sed -n "1~${every}p" <<<"$texts" | sh -c "$embed" | faiss-index search --quiet "$faiss/chunks.index" -k 10 |
      jq -rs 'def plain: tostring | gsub("-"; "") | ascii_downcase;
              map((.id | plain) as $id | any(.ids[]; plain == $id)) | "\(map(select(.)) | length) of \(length)"') ||
      fail $? 'a search failed'
    ((2 * ${found% of *} >= ${found#* of })) ||
      fail 1 "only $found chunks are found by their own texts: is the index of these vectors, and of this model?"
    say "search: $found chunks found by their texts"
  fi
fi

if [[ -n ${HEALTH_URL:-} ]]; then
  need curl
  curl --fail --silent --show-error --location --max-time 30 --output /dev/null -- "$HEALTH_URL" ||
    fail 3 "the application does not answer as it should at $HEALTH_URL"
  say "health: $HEALTH_URL answers"
fi

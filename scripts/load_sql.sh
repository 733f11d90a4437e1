#!/usr/bin/env bash
# Loads a dump of dump_sql.sh into a database, whole or not at all. docs/sql-dumps.md tells more.
set -euo pipefail

usage() {
  cat <<'HELP'
Usage: load_sql.sh [--db DATABASE] [--schema FILE] DUMP

  --db DATABASE   SQLite file, sqlite: or postgres: URL [default: $DATABASE_URL, then ./data/app.db]
  --schema FILE   mapping of tables and columns, as for golden-export

The tables must not exist; for a dump made with --data-only they must, and be empty. DUMP.sha256 must be beside DUMP.
Example: DATABASE_URL=postgres://me@db.example/app load_sql.sh golden.sql.gz
GOLDEN_EXPORT names golden-export if it is not on the path.
Exit status: 0 done, 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked.
HELP
}
fail() { echo "load_sql.sh: $2" >&2; exit "$1"; }
# shellcheck source=scripts/sql_database.sh
. "$(dirname "${BASH_SOURCE[0]}")/sql_database.sh"

dump='' db=''
while (($#)); do
  case $1 in
    --db | --schema)
      (($# > 1)) || fail 2 "$1 needs a value"
      if [[ $1 == --db ]]; then db=$2; else export GOLDEN_SCHEMA=$2; fi
      shift
      ;;
    --help) usage && exit ;;
    -*) fail 2 'unknown argument; --help shows the options' ;;
    *) [[ -z $dump ]] || fail 2 'one dump at a time'; dump=$1 ;;
  esac
  shift
done
[[ -n $dump ]] || fail 2 'which dump? --help shows the usage'
[[ -f $dump ]] || fail 3 "there is no dump at $dump"
open_database "$db"

[[ -f $dump.sha256 ]] || fail 1 "$dump.sha256 is missing: nothing says that the dump is whole"
sum=$(sha256sum <"$dump") || fail 3 "cannot read $dump"
[[ $(head -c 64 "$dump.sha256") == "${sum%% *}" ]] || fail 1 "$dump is not what $dump.sha256 says; nothing was loaded"
plain() { if [[ $dump == *.gz ]]; then gzip -dc; else cat; fi <"$dump"; }
# All is read, so that gzip is not cut off.
first=$(plain | sed -n 1p) || fail 1 "$dump cannot be read"
[[ $first =~ ^--\ golden\ dump\ of\ (sqlite|postgres),\ (full|data-only),\ content\ sha256\ ([0-9a-f]{64})$ ]] ||
  fail 1 "$dump is no dump of dump_sql.sh"
kind=${BASH_REMATCH[2]} expected=${BASH_REMATCH[3]}
[[ ${BASH_REMATCH[1]} == "$engine" ]] || fail 1 "$dump is of ${BASH_REMATCH[1]}; golden-export | golden-import moves between kinds"

# A new file gets its name when it is complete.
target=$place
if [[ $engine == sqlite && ! -e $place ]]; then
  [[ $kind == full ]] || fail 3 "there is no database at $place"
  place=$(mktemp -- "$place.XXXXXX") || fail 3 "cannot write beside $place"
fi
errors=$(mktemp) || fail 3 'cannot write a temporary file'
remove_remains() {
  rm -f -- "$errors"
  [[ $place == "$target" ]] || rm -f -- "$place" "$place-journal"
}
trap remove_remains EXIT

# What comes without its COMMIT has never been.
sqlite_sql() { { echo '.timeout 30000' && plain; } | sqlite3 -batch -bail -init /dev/null "$place"; }
postgres_sql() {
  { echo 'BEGIN;' && plain && echo 'COMMIT;'; } | psql -X -q -w -A -t -v ON_ERROR_STOP=1 --dbname="$place"
}
query() {
  if [[ $engine == sqlite ]]; then
    sqlite3 -batch -bail -init /dev/null -readonly "$place" "$1"
  else
    psql -X -q -w -A -t -v ON_ERROR_STOP=1 --dbname="$place" <<<"$1"
  fi
}

# A full dump creates its tables, which fails where they exist.
if [[ $kind == data-only ]]; then
  names=$(mapped_tables) || exit
  while IFS= read -r table; do
    [[ $engine == postgres ]] || table="\"${table//\"/\"\"}\""
    rows=$(query "SELECT 1 FROM $table LIMIT 1;") || fail 3 "cannot read $table"
    [[ -z $rows ]] || fail 1 "table $table holds rows already; nothing was loaded"
  done <<<"$names"
fi

code=0
"${engine}_sql" >/dev/null 2>"$errors" || code=$?
if ((code)); then
  cat "$errors" >&2
  # psql tells by 2 that the server, not the dump, is to blame; nor is it where a program was killed.
  [[ $engine-$code == postgres-2 ]] || ((code > 128)) && code=3 || code=1
  fail "$(code_of "$(<"$errors")" "$code")" 'the dump could not be loaded; the database is as it was'
fi

if [[ $place == "$target" ]]; then
  found=$(content_digest) || fail 1 'the dump was loaded, but the database cannot be read back'
  [[ $found == "$expected" ]] ||
    fail 1 "the dump was loaded, but the database holds $found where $expected was dumped: look before you use it"
else
  found=$(DATABASE_URL=$place content_digest) || fail 1 'the dump gives a database that cannot be read; nothing was loaded'
  [[ $found == "$expected" ]] || fail 1 "the dump gives $found where $expected was dumped; nothing was loaded"
  chmod "$(printf '%o' $((0666 & ~$(umask))))" "$place"
  if ! mv -nT -- "$place" "$target" || [[ -e $place ]]; then
    fail 1 "$target has come into being meanwhile; nothing was loaded"
  fi
fi
echo "loaded $dump, content sha256 $found"

#!/usr/bin/env bash
# Loads a dump of dump_sql.sh into a database, whole or not at all. docs/sql-dumps.md tells more.
set -euo pipefail

usage() {
  cat <<'HELP'
Usage: load_sql.sh [--db DATABASE] [--schema FILE] DUMP

  --db DATABASE   SQLite file, sqlite: or postgres: URL [default: $DATABASE_URL, then ./data/app.db]
  --schema FILE   mapping of tables and columns, as for golden-export

Tables must not exist, or be empty for a dump made with --data-only. DUMP.sha256 must be beside DUMP.
Example: DATABASE_URL=postgres://me@db.example/app load_sql.sh golden.sql.gz
GOLDEN_EXPORT names golden-export if it is not on the path.
Exit status: 0 done, 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked.
HELP
}
fail() { echo "load_sql.sh: $2" >&2; exit "$1"; }
# shellcheck source=scripts/sql_database.sh
. "$(dirname "${BASH_SOURCE[0]}")/sql_database.sh"

dump='' db=${DATABASE_URL:-./data/app.db}
while (($#)); do
  case $1 in
    --db | --schema)
      (($# > 1)) || fail 2 "$1 needs a value"
      if [[ $1 == --db ]]; then db=$2; else export GOLDEN_SCHEMA=$2; fi
      shift
      ;;
    --help) usage && exit ;;
    -*) fail 2 "unknown argument; --help shows the options" ;;
    *) [[ -z $dump ]] || fail 2 'one dump at a time'; dump=$1 ;;
  esac
  shift
done
[[ -n $dump ]] || fail 2 'which dump? --help shows the usage'
[[ -f $dump ]] || fail 3 "there is no dump at $dump"
open_database "$db"

[[ -f $dump.sha256 ]] || fail 1 "$dump.sha256 is missing: nothing says that the dump is whole"
(cd "$(dirname "$dump")" && sha256sum --check --status --strict "$(basename "$dump").sha256") &&
  [[ $(cut -c 67- "$dump.sha256") == "$(basename "$dump")" ]] ||
  fail 1 "$dump is not what $dump.sha256 says; nothing was loaded"
plain() { if [[ $dump == *.gz ]]; then gzip -dc -- "$dump"; else cat -- "$dump"; fi; }
first=$(plain | sed -n 1p) || fail 1 "$dump cannot be read"
[[ $first =~ ^--\ golden\ dump\ of\ (sqlite|postgres),\ (full|data-only),\ content\ sha256\ ([0-9a-f]{64})$ ]] ||
  fail 1 "$dump is no dump of dump_sql.sh"
kind=${BASH_REMATCH[2]} expected=${BASH_REMATCH[3]}
[[ ${BASH_REMATCH[1]} == "$engine" ]] || fail 1 "$dump is of ${BASH_REMATCH[1]}; golden-export | golden-import moves between kinds"

sql() {
  if [[ $engine == sqlite ]]; then
    sqlite3 -batch -bail -init /dev/null "$place"
  else
    psql -X -q -w -A -t -v ON_ERROR_STOP=1 --single-transaction --dbname="$place"
  fi
}

# A database without the tables is what a full dump is for.
is_new=''
[[ $engine == postgres || -e $place ]] || is_new=yes
[[ -z $is_new || $kind == full ]] || fail 3 "there is no database at $place"
if [[ -z $is_new ]]; then
  code=0
  tables=$(mapped_tables 2>&1) || code=$?
  case $code in
    0)
      while IFS= read -r table; do
        [[ $engine == postgres ]] || table="\"${table//\"/\"\"}\""
        rows=$(sql <<<"SELECT 1 FROM $table LIMIT 1;") || fail 3 "cannot read $table"
        [[ -z $rows ]] || fail 1 "table $table holds rows already; nothing was loaded"
      done <<<"$tables"
      ;;
    2) [[ $kind == full && $tables == *'no table'* ]] || fail 2 "${tables#golden-export: }" ;;
    *) printf '%s\n' "$tables" >&2; exit "$code" ;;
  esac
fi

if ! plain | sql >/dev/null; then
  [[ -z $is_new ]] || rm -f -- "$place"
  fail 1 'the dump could not be loaded; the database is as it was'
fi
found=$(content_digest) || fail 1 'the dump was loaded, but the database cannot be read back'
[[ $found == "$expected" ]] ||
  fail 1 "the dump was loaded, but the database holds $found where $expected was dumped: look before you use it"
echo "loaded $dump, content sha256 $found"

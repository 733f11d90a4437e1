#!/usr/bin/env bash
# Dumps the tables of the golden dataset, embeddings included, as SQL. docs/sql-dumps.md tells more.
set -euo pipefail

usage() {
  cat <<'HELP'
Usage: dump_sql.sh [--db DATABASE] --output FILE [--schema FILE] [--data-only]

  --db DATABASE   SQLite file, sqlite: or postgres: URL [default: $DATABASE_URL, then ./data/app.db]
  --output FILE   the dump, compressed if the name ends in .gz; FILE.sha256 appears beside it
  --schema FILE   mapping of tables and columns, as for golden-export
  --data-only     rows without the definitions of their tables

Example: DATABASE_URL=postgres://me@db.example/app dump_sql.sh --output golden.sql.gz
GOLDEN_EXPORT names golden-export if it is not on the path.
Exit status: 0 done, 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked or changed meanwhile: try again.
HELP
}
fail() { echo "dump_sql.sh: $2" >&2; exit "$1"; }
# shellcheck source=scripts/sql_database.sh
. "$(dirname "${BASH_SOURCE[0]}")/sql_database.sh"

output='' kind=full db=''
while (($#)); do
  case $1 in
    --db | --output | --schema)
      (($# > 1)) || fail 2 "$1 needs a value"
      case $1 in
        --db) db=$2 ;;
        --output) output=$2 ;;
        --schema) export GOLDEN_SCHEMA=$2 ;;
      esac
      shift
      ;;
    --data-only) kind=data-only ;;
    --help) usage && exit ;;
    *) fail 2 'unknown argument; --help shows the options' ;;
  esac
  shift
done
[[ -n $output ]] || fail 2 '--output is needed'
[[ $output != *$'\n'* ]] || fail 2 'the name of a dump cannot hold a line break'
plain() { if [[ $output == *.gz ]]; then gzip -dc; else cat; fi; }
if [[ -e $output ]]; then
  first=$(plain <"$output" 2>/dev/null | head -c 18 | tr -d '\0') || true
  [[ $first == '-- golden dump of ' ]] || fail 3 "$output exists and is no dump; choose another name or remove it"
fi
open_database "$db"

# LIKE patterns that match nothing but the name itself; .dump takes double quotes and backslashes as C does.
sqlite_dump() {
  local table names='' patterns=''
  for table in "${tables[@]}"; do
    names+="${names:+, }lower('${table//\'/\'\'}')"
    table=${table//\\/\\\\} table=${table//_/\\_} table=${table//%/\\%}
    table=${table//\\/\\\\} patterns+=" \"${table//\"/\\\"}\""
  done
  echo 'PRAGMA foreign_keys=OFF;'
  echo 'BEGIN TRANSACTION;'
  {
    echo '.timeout 30000'
    echo 'BEGIN;'
    if [[ $kind == full ]]; then
      echo ".dump$patterns"
      # With patterns .dump leaves out what does not have the name of its table.
      echo "SELECT sql || ';' FROM sqlite_schema WHERE lower(tbl_name) IN ($names)"
      echo "AND type IN ('index', 'trigger') AND sql IS NOT NULL AND lower(name) NOT IN ($names) ORDER BY rowid;"
    else
      echo ".dump --data-only$patterns"
    fi
  } | sqlite3 -batch -bail -init /dev/null -readonly "$place" |
    # One transaction around all; tables that exist are an error; a database that cannot be read whole is none.
    sed -E -e '/^(PRAGMA foreign_keys=OFF;|BEGIN TRANSACTION;|COMMIT;)$/d' -e 's/^CREATE TABLE IF NOT EXISTS /CREATE TABLE /' \
      -e '/^ROLLBACK; -- due to errors$/q 1' || return
  echo 'COMMIT;'
}

postgres_dump() {
  local options=(--no-owner --no-privileges --no-password --lock-wait-timeout=30000) table with=table
  [[ $kind == full ]] || options+=(--data-only)
  # Partitions are part of their table. Before 16 pg_dump leaves them out.
  [[ $(pg_dump --help) != *--table-and-children* ]] || with='table-and-children'
  for table in "${tables[@]}"; do
    [[ $with != table || -z $(children "$table") ]] || {
      echo "$table has partitions or tables that inherit from it: that takes pg_dump 16" >&2
      return 1
    }
    options+=("--$with=$table")
  done
  pg_dump "${options[@]}" --dbname="$place"
}
children() {
  local sql="SELECT 1 FROM pg_inherits WHERE inhparent = :'table'::regclass LIMIT 1"
  psql -X -q -w -A -t -v ON_ERROR_STOP=1 -v "table=$1" --dbname="$place" <<<"$sql"
}

umask 077
part=$(mktemp -- "$output.XXXXXX") || fail 3 "cannot write beside $output"
trap 'rm -f -- "$part" "$part.sha256" "$part.errors"' EXIT
compressed() { if [[ $output == *.gz ]]; then gzip -n; else cat; fi; }

names=$(mapped_tables) || exit
mapfile -t tables <<<"$names"
before=$(content_digest) || exit
{
  echo "-- golden dump of $engine, $kind, content sha256 $before"
  "${engine}_dump"
} 2>"$part.errors" | compressed >"$part" || {
  cat "$part.errors" >&2
  fail "$(code_of "$(<"$part.errors")" 3)" 'the dump failed; nothing was written'
}
after=$(content_digest) || exit
[[ $before == "$after" ]] || fail 4 'the database changed during the dump; nothing was written, try again'

sum=$(sha256sum <"$part")
name=$(basename -- "$output")
printf '%s  %s\n' "${sum%% *}" "$name" >"$part.sha256"
sync -- "$part" "$part.sha256"
# A dump without the fitting checksum is refused: should this be cut in two, nothing wrong is loaded.
mv -fT -- "$part" "$output"
mv -fT -- "$part.sha256" "$output.sha256"
echo "dumped ${#tables[@]} tables to $output, content sha256 $before"

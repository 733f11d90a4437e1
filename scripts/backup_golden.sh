#!/usr/bin/env bash
# Writes the golden dataset as a document that was proven whole, and commits it to git if it holds anything new.
set -euo pipefail
PATH="$PATH:$(cd "$(dirname "$0")/.." && pwd)/target/release"

usage() {
  cat <<'HELP'
Usage: backup_golden.sh [OPTIONS]

  --db DATABASE        SQLite file, sqlite: or postgres: URL [default: $DATABASE_URL, then ./data/app.db]
  --schema FILE        mapping of tables and columns, and rules the document must keep, as for golden-export
  --output FILE        the document, compressed if the name ends in .gz [default: ./golden.json]
  --metadata FILE      the totals as well, for a quick look
  --no-commit          write the document, and leave git alone
  --warn-above SIZE    warn before a commit of a larger document [default: 50M]
  --refuse-above SIZE  do not commit a larger one, which git hosts would not take [default: 100M]
  --quiet              print warnings and errors only

A document whose content digest did not change stays as it is, and nothing is committed. In a git work tree, what is
new is committed (nothing else that may be staged), with a message that says what changed since the last commit.
Example: backup_golden.sh --db data/app.db --output golden.json
Exit status: 0 done, 1 the data is wrong or the document too large, 2 usage, 3 the environment failed, 4 locked.
HELP
}
fail() { echo "backup_golden.sh: $2" >&2; exit "$1"; }
say() { ((quiet)) || echo "$*"; }
bytes() { numfmt --from=auto -- "$1" 2>/dev/null || fail 2 "$1 is not a size such as 100M or 95Mi"; }

output=./golden.json metadata='' commit=1 warn_above=50M refuse_above=100M quiet=0
while (($#)); do
  case $1 in
    --db | --schema | --output | --metadata | --warn-above | --refuse-above)
      (($# > 1)) || fail 2 "$1 needs a value"
      case $1 in
        --db) export DATABASE_URL=$2 ;;
        --schema) export GOLDEN_SCHEMA=$2 ;;
        --output) output=$2 ;;
        --metadata) metadata=$2 ;;
        --warn-above) warn_above=$2 ;;
        --refuse-above) refuse_above=$2 ;;
      esac
      shift
      ;;
    --no-commit) commit=0 ;;
    --quiet) quiet=1 ;;
    --help) usage && exit ;;
    *) fail 2 "unknown argument $1; --help shows the options" ;;
  esac
  shift
done
warn_above=$(bytes "$warn_above")
refuse_above=$(bytes "$refuse_above")

folder=$(dirname -- "$output") name=$(basename -- "$output")
{ mkdir -p -- "$folder" && folder=$(cd -- "$folder" && pwd); } || fail 3 "cannot write to the folder of $output"
output=$folder/$name
exec 9<"$folder"
flock --nonblock 9 || fail 4 "another backup is at work in $folder"
work=$(mktemp -d -- "$folder/.golden-backup.XXXXXX") || fail 3 "cannot write to $folder"
trap 'rm -rf -- "$work"' EXIT

# What a document holds, where it is intact: the team's rules are for new ones.
digest_of() {
  local report
  report=$(GOLDEN_SCHEMA=/dev/null golden-verify "$1" 2>/dev/null) && sed -n 's/^  content sha256 //p' <<<"$report"
}

new=$work/$name
golden-export --quiet --output "$new" --metadata "$work/metadata.json"
before=''
[[ ! -e $output ]] || before=$(digest_of "$output") || echo "backup_golden.sh: $output is damaged, and replaced" >&2
verify=(golden-verify --require-checksums "$new")
[[ -z $before ]] || verify+=(--against "$output")
report=$("${verify[@]}" 2>&1) || fail $? "the document that was made is not in order; $output stays as it is
${report//"$work/"/}"
after=$(digest_of "$new")

if [[ $after != "$before" ]]; then
  sync -- "$new"
  mv -fT -- "$new" "$output"
  say "wrote $output, content sha256 $after"
else
  say "$output holds the dataset already, content sha256 $after"
fi
if [[ -n $metadata ]] && ! cmp -s -- "$work/metadata.json" "$metadata"; then
  mkdir -p -- "$(dirname -- "$metadata")"
  cp -- "$work/metadata.json" "$metadata"
fi

((commit)) && git -C "$folder" rev-parse --is-inside-work-tree >"$work/git" 2>/dev/null && grep -qx true "$work/git" || exit 0
committed=$work/committed
if git -C "$folder" cat-file --filters "HEAD:./$name" >"$committed" 2>/dev/null; then
  before=$(digest_of "$committed") || before=damaged
else
  before=''
  echo '{"version": "1.0", "created_at": "1970-01-01T00:00:00Z", "metadata":
    {"total_analyses": 0, "total_chunks": 0, "total_artifacts": 0}, "analyses": []}' >"$committed"
fi
[[ $after != "$before" ]] || { say 'the last commit holds it too'; exit 0; }

size=$(stat -c %s -- "$output")
((size <= refuse_above)) || fail 1 "$output has $size bytes, and git hosts take no more than $refuse_above: it was not committed
  give it a name that ends in .gz, keep it elsewhere (--no-commit), or raise --refuse-above"
((size <= warn_above)) || echo "warning: $output has $size bytes; git hosts refuse more than $refuse_above" >&2

# "from OLD to NEW: analyses +1, chunks +4", then a line for each record and field that differs.
difference=$(GOLDEN_SCHEMA=/dev/null golden-verify "$output" --against "$committed" 2>&1 | sed -n '/^from /,$p') || true
summary=$(sed -n '1s/.*: //p' <<<"$difference")
{
  echo "Golden dataset: ${summary:-instead of a damaged document}"
  echo
  sed -n '2,101p' <<<"$difference" | cut -c 1-200
  lines=$(wc -l <<<"$difference")
  ((lines <= 101)) || echo "… and $((lines - 101)) more lines"
  echo
  echo "content sha256 $after"
} >"$work/message"
files=("$output")
[[ -z $metadata ]] || files+=("$(realpath -- "$metadata")")
{
  git -C "$folder" add -- "${files[@]}" &&
    git -C "$folder" commit --quiet --cleanup=verbatim --only --file="$work/message" -- "${files[@]}"
} >&2 || fail 3 "$output is written, but git did not commit it"
say "committed: ${summary:-instead of a damaged document}"

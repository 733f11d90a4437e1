#!/usr/bin/env bash
# Runs a job that nobody watches: never two at once, not a word when all is well, and a cry when it is not.
set -uo pipefail
scripts=$(cd "${BASH_SOURCE[0]%/*}" && pwd)

usage() {
  cat <<'HELP'
Usage: run_job.sh [OPTIONS] NAME PROGRAM [ARGUMENTS]

  --folder FOLDER    where to run: the folder that holds data/ and backups/ [default: .]
  --programs FOLDER  where the programs are, before /usr/local/bin, /usr/bin and /bin [default: ../target/release]
  --wait SECONDS     how long to wait while another job runs in that folder [default: 3600]

Lines NAME=VALUE of FOLDER/golden.env are put into the environment: DATABASE_URL, GOLDEN_ON_FAILURE.
On success nothing is printed. On failure what the program said goes to standard error, and the command in
GOLDEN_ON_FAILURE is run with sh, with a report in JSON on its standard input: job, command, host, folder, started_at,
finished_at, exit_code, report (the program's own, where it was told --json), output (the end of what it said).
Example: run_job.sh --folder /srv/app snapshot faiss-snap create --json
Exit status: that of the program; 4 if another job runs all the time, 3 if the program cannot be run, 2 usage.
HELP
}
fail() { echo "run_job.sh: $2" >&2; exit "$1"; }

folder=. programs=${scripts%/*}/target/release wait=3600
while (($#)); do
  case $1 in
    --folder | --programs | --wait)
      (($# > 1)) || fail 2 "$1 needs a value"
      case $1 in
        --folder) folder=$2 ;;
        --programs) programs=$2 ;;
        --wait) wait=$2 ;;
      esac
      shift
      ;;
    --help) usage && exit ;;
    -*) fail 2 "unknown argument $1; --help shows the options" ;;
    *) break ;;
  esac
  shift
done
(($# > 1)) || fail 2 'a name and a program are needed; --help shows more'
[[ $wait =~ ^[0-9]+$ ]] || fail 2 "$wait is no number of seconds"
job=$1
shift
export PATH=$programs:$scripts:/usr/local/bin:/usr/bin:/bin
started_at=$(date -u +%FT%TZ)
# Until the program has said something, this is what there is to say.
why='' work=''
trap '[[ -z $work ]] || rm -rf -- "$work"' EXIT

# Standard input as a JSON string.
json() {
  iconv -cf utf-8 -t utf-8 | tr -d '\000-\010\013-\037\177' | LC_ALL=C sed -e 's/[\\"]/\\&/g' -e 's/\t/\\t/g' |
    LC_ALL=C awk 'BEGIN { printf "\"" } { printf "%s%s", (NR > 1 ? "\\n" : ""), $0 } END { printf "\"" }'
}
# What the program said of itself, if that is one document, and whole: braces alone on a line are its first and its last.
own_report() {
  if [[ -n $work && $(sed -n -e 1p -e '$p' "$work/stdout") == $'{\n}' && $(grep -cx '[{}]' "$work/stdout") == 2 ]]; then
    cat "$work/stdout"
  else
    echo null
  fi
}
said() {
  [[ -z $why ]] || echo "run_job.sh: $why"
  [[ -z $work ]] || { cat "$work/stderr" && cat "$work/stdout"; }
}
report() {
  local argument separator=''
  printf '{"job": %s, "command": [' "$(json <<<"$job")"
  for argument in "$@"; do
    printf '%s%s' "$separator" "$(json <<<"$argument")"
    separator=', '
  done
  printf '], "host": %s, "folder": %s, ' "$(uname -n | json)" "$(json <<<"$folder")"
  printf '"started_at": "%s", "finished_at": "%s", "exit_code": %d, ' "$started_at" "$(date -u +%FT%TZ)" "$code"
  printf '"report": %s, ' "$(own_report)"
  printf '"output": %s}\n' "$(said | tail -c 65536 | json)"
}
cry() {
  echo "run_job.sh: $job ended with exit code $code" >&2
  said >&2
  [[ -n ${GOLDEN_ON_FAILURE:-} ]] || return 0
  report "$@" | sh -c "$GOLDEN_ON_FAILURE" >&2 || echo "run_job.sh: GOLDEN_ON_FAILURE ended with exit code $?" >&2
}

run() {
  cd -- "$folder" 2>/dev/null || { why="there is no folder $folder"; return 3; }
  folder=$PWD
  local line
  if [[ -r golden.env ]]; then
    while IFS= read -r line || [[ -n $line ]]; do
      # As it stands: nothing in it is run.
      [[ ! $line =~ ^[A-Za-z_][A-Za-z0-9_]*= ]] || export "${line?}"
    done <golden.env
  fi
  { exec 9>>.golden-jobs.lock; } 2>/dev/null || { why="cannot write to $folder"; return 3; }
  flock --timeout "$wait" 9 || { why="another job was at work in $folder for $wait seconds; try again"; return 4; }
  work=$(mktemp -d) || { why='there is no room for what the program says'; work=''; return 3; }
  "$@" >"$work/stdout" 2>"$work/stderr" 9>&- </dev/null
  local code=$?
  # As a shell does, so that nobody takes it for a code of the program's.
  ((code != 126 && code != 127)) || { why="cannot run $1"; code=3; }
  return "$code"
}

run "$@"
code=$?
exec 9>&-
((code == 0)) || cry "$@"
exit "$code"

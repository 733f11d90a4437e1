#!/usr/bin/env bash
# Installs what has snapshots, backups and drills done by the clock: timers of systemd, or lines for cron.
set -euo pipefail
scripts=$(cd "${BASH_SOURCE[0]%/*}" && pwd)

usage() {
  cat <<'HELP'
Usage: install_timers.sh (--user | --system) [OPTIONS]

  --user              for you: units in ~/.config/systemd/user
  --system            for the machine: units in /etc/systemd/system
  --cron              cron instead of systemd: your crontab, or with --system /etc/cron.d
  --write             write, and start the timers; without, only show what would be written
  --remove            take away what was installed under this name; with --write
  --folder FOLDER     where the jobs run: the folder that holds data/ and backups/ [default: .]
  --programs FOLDER   where the programs are [default: where the path finds faiss-snap, else ../target/release]
  --name NAME         what the units' names begin with, for more than one application [default: golden]
  --run-as USER       with --system: who runs the jobs [default: root]
  --keep RULES        which snapshots stay: options of faiss-snap prune, in one word [default: its own]
  --versions DATASET  versions of this dataset as well, created daily, the chain compacted; may be repeated
  --on-failure CMD    run with sh when a job fails, the report in JSON on its standard input
  --to FOLDER         write the units there, and start nothing

The jobs: snapshot and prune daily, backup (backup_golden.sh) weekly, drill monthly, version-DATASET daily. Missed runs
are made up for by systemd, not by cron. docs/timers.md tells more.
Example: install_timers.sh --user --folder ~/app --keep '--keep-daily 7 --keep-weekly 5' --write
Exit status: 0 done, 2 usage, 3 the environment failed.
HELP
}
fail() { echo "install_timers.sh: $2" >&2; exit "$1"; }

for_whom='' with=systemd action=install dry_run=1 folder=. programs='' name=golden user='' keep='' datasets=() hook='' to=''
while (($#)); do
  case $1 in
    --folder | --programs | --name | --run-as | --keep | --versions | --on-failure | --to)
      (($# > 1)) || fail 2 "$1 needs a value"
      [[ $2 != *[[:cntrl:]]* ]] || fail 2 "the value of $1 holds a control character"
      case $1 in
        --folder) folder=$2 ;;
        --programs) programs=$2 ;;
        --name) name=$2 ;;
        --run-as) user=$2 ;;
        --keep) keep=$2 ;;
        --versions) datasets+=("$2") ;;
        --on-failure) hook=$2 ;;
        --to) to=$2 ;;
      esac
      shift
      ;;
    --user | --system) for_whom=${1#--} ;;
    --cron) with=cron ;;
    --write) dry_run=0 ;;
    --remove) action=remove ;;
    --help) usage && exit ;;
    *) fail 2 "unknown argument $1; --help shows the options" ;;
  esac
  shift
done
[[ -n $for_whom ]] || fail 2 'say whose timers they are: --user or --system'
[[ $name =~ ^[A-Za-z0-9_-]+$ ]] || fail 2 "$name is no name for units: letters, digits, - and _ are"
[[ -z $user || $for_whom == system ]] || fail 2 '--run-as goes with --system'
mark="# $name, by install_timers.sh"

if [[ $action == install ]]; then
  folder=$(cd -- "$folder" 2>/dev/null && pwd) || fail 3 "there is no folder $folder"
  if [[ -z $programs ]]; then
    found=$(type -P faiss-snap) || found=${scripts%/*}/target/release/faiss-snap
    programs=${found%/*}
  fi
  [[ -x $programs/faiss-snap ]] || fail 3 "faiss-snap is not in $programs; --programs says where it is"
  programs=$(cd -- "$programs" && pwd)
fi

# Calls a function for every job: its name, when (systemd, cron), what to run. At these hours no zone changes its clocks.
for_each_job() {
  local rules dataset
  read -ra rules <<<"$keep"
  "$1" snapshot '*-*-* 04:10:00' '10 4 * * *' faiss-snap create --json
  for dataset in "${datasets[@]}"; do
    "$1" "version-${dataset//[^A-Za-z0-9_]/-}" '*-*-* 04:25:00' '25 4 * * *' version_dataset.sh "$dataset" --quiet
  done
  "$1" prune '*-*-* 04:40:00' '40 4 * * *' faiss-snap prune --json "${rules[@]}"
  "$1" backup 'Sun *-*-* 05:10:00' '10 5 * * 0' backup_golden.sh --quiet
  "$1" drill '*-*-01 05:40:00' '40 5 1 * *' faiss-snap drill --json
}

# One word of a line in a unit, or in a crontab, where % would be a line break.
unit_word() {
  local word=${1//\\/\\\\}
  word=${word//\"/\\\"} word=${word//%/%%}
  if [[ $word =~ ^[A-Za-z0-9_./:=@,+-]+$ ]]; then echo "$word"; else echo "\"$word\""; fi
}
cron_word() {
  local word=${1//\'/\'\\\'\'}
  if [[ $1 =~ ^[A-Za-z0-9_./:=@,+-]+$ ]]; then echo "$1"; else echo "'${word//%/\\%}'"; fi
}
line_of() {
  local word words=()
  for word in "$scripts/run_job.sh" --folder "$folder" --programs "$programs" "${@:2}"; do
    words+=("$("${1}_word" "$word")")
  done
  echo "${words[*]}"
}

cron_line() {
  local set=''
  [[ -z $hook ]] || set="GOLDEN_ON_FAILURE=$(cron_word "$hook") "
  echo "$3 ${user:+$user }$set$(line_of cron "$1" "${@:4}")"
}
crontab_lines() {
  echo "$mark: begin"
  for_each_job cron_line
  echo "$mark: end"
}

service() {
  echo "$mark"
  printf '[Unit]\nDescription=%s in %s\n' "$1" "${folder//%/%%}"
  # Both may be due at once when the machine was off: first a new snapshot, then the old ones.
  [[ $1 != prune ]] || echo "After=$name-snapshot.service"
  printf '\n[Service]\nType=oneshot\nNice=10\nIOSchedulingClass=idle\n'
  [[ -z $user ]] || echo "User=$user"
  [[ -z $hook ]] || echo "Environment=$(unit_word "GOLDEN_ON_FAILURE=$hook")"
  # Only here a $ would begin the name of a variable.
  line_of unit "$1" "${@:4}" | sed 's/\$/$$/g; s/^/ExecStart=/'
}
timer() {
  echo "$mark"
  printf '[Unit]\nDescription=when: %s in %s\n\n[Timer]\nOnCalendar=%s\n' "$1" "${folder//%/%%}" "$2"
  printf 'Persistent=true\nRandomizedDelaySec=10min\n\n[Install]\nWantedBy=timers.target\n'
}

# What comes in becomes a file, unless somebody else's is there; a dry run only shows it.
put() {
  [[ ! -e $1 ]] || grep -qF "$mark" -- "$1" || fail 3 "$1 exists and is not of $name; --name gives other names"
  echo "# $1"
  if ((dry_run)); then cat; else tee -- "$1" || fail 3 "cannot write $1"; fi
}
put_units() {
  service "$@" | put "$units/$name-$1.service"
  timer "$@" | put "$units/$name-$1.timer"
  timers+=("$name-$1.timer")
}
take_away() {
  echo "remove $*"
  ((dry_run)) || rm -f -- "$@"
}
systemctl() {
  local command=(systemctl)
  [[ $for_whom == system ]] || command+=(--user)
  echo "${command[*]} $*"
  ((dry_run)) || [[ -n $to ]] || command "${command[@]}" "$@"
}

if [[ $with/$for_whom == cron/system ]]; then
  user=${user:-root} file=${to:-/etc/cron.d}/$name
  if [[ $action == install ]]; then
    crontab_lines | put "$file"
  elif grep -qsF "$mark" -- "$file"; then
    take_away "$file"
  fi
elif [[ $with == cron ]]; then
  lines=''
  [[ $action == remove ]] || lines=$(crontab_lines)
  echo "${lines:-remove the lines of $name from the crontab}"
  ((dry_run)) || {
    crontab -l 2>/dev/null | sed "/^$mark: begin\$/,/^$mark: end\$/d"
    [[ -z $lines ]] || echo "$lines"
  } | crontab - || fail 3 'the crontab cannot be written'
else
  case $for_whom in
    system) units=${to:-/etc/systemd/system} ;;
    user) units=${to:-${XDG_CONFIG_HOME:-${HOME:-}/.config}/systemd/user} ;;
  esac
  if [[ $action == install ]]; then
    ((dry_run)) || mkdir -p -- "$units" || fail 3 "cannot write to $units"
    timers=()
    for_each_job put_units
    systemctl daemon-reload
    systemctl enable --now "${timers[@]}"
  else
    shopt -s nullglob
    for timer in "$units/$name"-*.timer; do
      grep -qxF "$mark" -- "$timer" || continue
      systemctl disable --now "${timer##*/}"
      take_away "$timer" "${timer%.timer}.service"
    done
    systemctl daemon-reload
  fi
fi

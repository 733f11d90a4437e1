#!/usr/bin/env bash
# Shows golden documents in git: as an external diff driver what changed from one version to the next, as
# a textconv filter the document in normal form without its digests, which git diffs line by line.
# docs/differences.md tells how to set it up. GOLDEN_VERIFY names the program if it is not on the path.
set -uo pipefail
verify=${GOLDEN_VERIFY:-golden-verify}

# A path that no program takes for an option.
no_option() {
  case $1 in -*) printf './%s' "$1" ;; *) printf '%s' "$1" ;; esac
}

# A document in normal form, without what changes with everything else. Digests are told by where they
# stand: a field that somebody named sha256 stands elsewhere, or deeper.
readable() {
  said=$(mktemp) || exit 3
  trap 'rm -f "$said"' EXIT
  if ! "$verify" --seal --quiet "$1" 2>"$said" | LC_ALL=C sed -E \
    -e '/^      "chunks": \[$/,/^      \]/{/^          "sha256": "[0-9a-f]{64}"$/d' -e '}' \
    -e '/^      "sha256": "[0-9a-f]{64}"$/d' -e '/^  "checksums": \{$/,$d'; then
    # A damaged version must not make history unreadable: it is shown as it is.
    local why
    why=$(head -n 1 "$said")
    why=${why#golden-verify: }
    echo "damaged: ${why//"$1: "/}"
    case $(head -c 2 "$1" | od -An -tx1) in
      ' 1f 8b') gzip -dc "$1" 2>&1 ;;
      *) cat "$1" ;;
    esac
  fi
  return 0
}

# The document that was not there: without records.
nothing() {
  echo '{"version": "1.0", "created_at": "1970-01-01T00:00:00Z", "metadata":'
  echo '{"total_analyses": 0, "total_chunks": 0, "total_artifacts": 0}, "analyses": []}'
}

# Arguments as git gives them: path old-file old-hex old-mode new-file new-hex new-mode [new-path what].
changed() {
  local path=$1 old new new_path=${8:-$1} old_name new_name shown_old shown_new
  old=$(no_option "$2") new=$(no_option "$5")
  old_name=a/$path new_name=b/$new_path shown_old=$old shown_new=$new
  echo "golden $old_name $new_name"
  if [ "$old" = /dev/null ]; then
    echo "new document"
    old=- old_name=nothing shown_old="standard input"
  elif [ "$new" = /dev/null ]; then
    echo "deleted document"
    new=- new_name=nothing shown_new="standard input"
  fi
  # git gives temporary files; what is printed has the names that people know.
  nothing | "$verify" "$new" --against "$old" 2>&1 |
    OLD=$shown_old NEW=$shown_new OLD_NAME=$old_name NEW_NAME=$new_name LC_ALL=C awk '
      # Whether the line begins with the text, which is then replaced.
      function begins(text, name) {
        if (substr($0, 1, length(text)) != text) return 0
        print name substr($0, length(text) + 1)
        return 1
      }
      BEGIN { old = ENVIRON["OLD"]; new = ENVIRON["NEW"]; old_name = ENVIRON["OLD_NAME"]; new_name = ENVIRON["NEW_NAME"] }
      /^ / { print; next }
      begins("from " old " to " new ": ", "from " old_name " to " new_name ": ") { next }
      begins(old ": ", old_name ": ") { next }
      begins(new ": ", new_name ": ") { next }
      { print }'
  return 0
}

if ! command -v "$verify" >/dev/null; then
  echo "git-diff-golden.sh: $verify is not on the path; GOLDEN_VERIFY can say where it is" >&2
  exit 3
fi
if [ $# -ge 7 ]; then
  changed "$@"
elif [ $# -eq 1 ] && [ -n "${GIT_DIFF_PATH_COUNTER:-}" ]; then
  echo "golden $1: not merged; golden-verify tells whether the file is in order"
elif [ $# -eq 1 ]; then
  readable "$(no_option "$1")"
else
  echo "git-diff-golden.sh: called by git as diff.golden.command or diff.golden.textconv" >&2
  exit 2
fi

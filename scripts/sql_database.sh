# shellcheck shell=bash
# What dump_sql.sh and load_sql.sh share: the database, its tables and its content digest. A password is
# handed on in the environment, never as an argument: others can read those.

# Sets engine (sqlite or postgres) and place, a path or a URL without password.
open_database() {
  export DATABASE_URL=$1
  local scheme=${1%%:*} rest encoded
  case $1 in
    postgres:* | postgresql:* | postgres+*:* | postgresql+*:*)
      engine=postgres rest=${1#*:}
      # Both are looked for in the whole URL, so that no spelling slips through.
      if [[ $rest =~ ^(//[^/:@?]*):([^/@]*)@(.*)$ ]]; then
        encoded=${BASH_REMATCH[2]} rest=${BASH_REMATCH[1]}@${BASH_REMATCH[3]}
      elif [[ $rest =~ ^(.*[?&])password=([^\&]*)\&?(.*)$ ]]; then
        encoded=${BASH_REMATCH[2]} rest=${BASH_REMATCH[1]}${BASH_REMATCH[3]}
      fi
      if [[ -n ${encoded:-} ]]; then
        encoded=${encoded//\\/\\\\}
        PGPASSWORD=$(printf '%b' "${encoded//%/\\x}")
        export PGPASSWORD
      fi
      [[ ! $rest =~ //[^/@]*:[^/@]*@|[?\&]password= ]] || fail 2 'the password in the URL cannot be read; use PGPASSWORD'
      place=postgresql:$rest
      ;;
    sqlite:* | sqlite+*:*)
      engine=sqlite rest=${1#*:}
      rest=${rest#///} place=${rest%%\?*}
      ;;
    *)
      engine=sqlite place=$1
      [[ $1 != *://* ]] || fail 2 "unknown kind of database $scheme:"
      ;;
  esac
  # A path that begins with a dash is no option.
  [[ $engine == postgres || $place == /* ]] || place=./$place
  local program programs=("${GOLDEN_EXPORT:-golden-export}" sha256sum)
  if [[ $engine == sqlite ]]; then programs+=(sqlite3); else programs+=(psql pg_dump); fi
  for program in "${programs[@]}"; do
    command -v "$program" >/dev/null || fail 3 "$program is not on the path"
  done
}

mapped_tables() { "${GOLDEN_EXPORT:-golden-export}" --quiet --tables; }

# checksums.content, which stands at the end of a document.
content_digest() {
  "${GOLDEN_EXPORT:-golden-export}" --quiet --all --compact | tail -c 400 |
    grep -o '"content":"[0-9a-f]\{64\}"' | tail -n 1 | cut -d '"' -f 4
}

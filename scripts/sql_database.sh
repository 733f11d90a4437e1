# shellcheck shell=bash
# What dump_sql.sh and load_sql.sh share: the database, its tables and its content digest. A password is
# handed on in the environment, never as an argument: others can read those.

golden_export=${GOLDEN_EXPORT:-golden-export}

# Sets engine (sqlite or postgres) and place, a path or a URL without password, of what --db or the environment says.
open_database() {
  local url=${1:-${DATABASE_URL:-./data/app.db}} password=''
  export DATABASE_URL=$url
  case $url in
    postgres:* | postgresql:* | postgres+*:* | postgresql+*:*)
      engine=postgres
      split_url "${url#*:}"
      [[ -z $1 || -z $password ]] || echo "${0##*/}: others can see the password in the list of processes" >&2
      ;;
    sqlite:* | sqlite+*:*) engine=sqlite place=${url#*:} place=${place#///} place=${place%%\?*} ;;
    *:/*) fail 2 'unknown kind of database' ;;
    *) engine=sqlite place=$url ;;
  esac
  # A path that begins with a dash is no option.
  [[ $engine == postgres || $place == /* ]] || place=./$place
  local program programs=("$golden_export" sha256sum)
  if [[ $engine == sqlite ]]; then programs+=(sqlite3); else programs+=(psql pg_dump); fi
  for program in "${programs[@]}"; do
    command -v "$program" >/dev/null || fail 3 "$program is not on the path"
  done
}

# Takes the password out of a URL, wherever golden-export would look for it.
split_url() {
  local rest=$1 encoded='' user
  if [[ $rest =~ ^//([^/?]*)@(.*)$ ]]; then
    user=${BASH_REMATCH[1]} rest=//${user%%:*}@${BASH_REMATCH[2]}
    [[ $user != *:* ]] || encoded=${user#*:}
  fi
  if [[ $rest =~ ^(.*[?&])password=([^&]*)\&?(.*)$ ]]; then
    encoded=${BASH_REMATCH[2]} rest=${BASH_REMATCH[1]}${BASH_REMATCH[3]}
  fi
  [[ ! $rest =~ [?\&]([a-z]*password|[^=\&]*%[^=\&]*)= ]] || fail 2 'the password in the URL cannot be read; use PGPASSWORD'
  rest=${rest/\?ssl=/?sslmode=} place=postgresql:${rest/&ssl=/&sslmode=}
  [[ -z $encoded ]] || {
    encoded=${encoded//\\/\\\\}
    printf -v password '%b' "${encoded//%/\\x}"
    export PGPASSWORD=$password
  }
}

mapped_tables() { "$golden_export" --quiet --tables; }

# checksums.content, which stands at the end of a document.
content_digest() {
  local end
  end=$("$golden_export" --quiet --all --compact | tail -c 300) || return
  [[ $end =~ \"content\":\"([0-9a-f]{64})\",\"document\" ]] && echo "${BASH_REMATCH[1]}"
}

# The exit code for what a database's program complained of.
code_of() {
  case $1 in
    *'database is locked'* | *'lock timeout'*) echo 4 ;;
    *'o space left on device'* | *'disk is full'*) echo 3 ;;
    *) echo "$2" ;;
  esac
}

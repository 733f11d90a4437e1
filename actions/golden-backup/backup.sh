#!/usr/bin/env bash
# What the action runs, in the repository that keeps the document: a backup, and a push of what was committed.
set -euo pipefail
project=$(cd "$(dirname "$0")/../.." && pwd)

if [[ -z ${DATABASE_URL:-} ]]; then
  echo '::error::database-url is empty: does the secret exist, and may this workflow read it?'
  exit 2
fi
git config user.name >/dev/null || git config user.name 'github-actions[bot]'
git config user.email >/dev/null || git config user.email '41898282+github-actions[bot]@users.noreply.github.com'

options=(--output "${OUTPUT:-golden.json}")
[[ -z ${METADATA:-} ]] || options+=(--metadata "$METADATA")
[[ -z ${SCHEMA:-} ]] || options+=(--schema "$SCHEMA")
before=$(git rev-parse HEAD)
"$project/scripts/backup_golden.sh" "${options[@]}"

committed=false
if [[ $(git rev-parse HEAD) != "$before" ]]; then
  committed=true
  # Others may have pushed meanwhile.
  git push --quiet || { git pull --quiet --rebase && git push --quiet; }
fi
echo "committed=$committed" >>"$GITHUB_OUTPUT"

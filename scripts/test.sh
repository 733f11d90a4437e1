#!/usr/bin/env bash
# Installs what the tests need, then runs all of them. Arguments go to cargo test, for example
# `scripts/test.sh -p golden-tests --test crash`; GOLDEN_LONG=1 runs the long forms.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v git >/dev/null || missing+=(git)
command -v jq >/dev/null || missing+=(jq)
command -v sqlite3 >/dev/null || missing+=(sqlite3)
command -v unshare >/dev/null || missing+=(util-linux)
python3 -c 'import ensurepip, sqlite3' 2>/dev/null || missing+=(python3 python3-venv)
if ((${#missing[@]})); then
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  else
    echo "please install: ${missing[*]} (the tests that need them will be skipped)" >&2
  fi
fi

if ! cmp -s tests/requirements.txt .venv/requirements.txt; then
  python3 -m venv --clear .venv
  .venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
  cp tests/requirements.txt .venv/requirements.txt
fi

if (($#)); then
  cargo test "$@"
else
  cargo test --workspace --no-fail-fast
fi

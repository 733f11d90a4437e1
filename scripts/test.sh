#!/usr/bin/env bash
# Installs what the tests need, then runs all of them. Arguments go to cargo test, for example
# `scripts/test.sh -p golden-tests --test crash`; GOLDEN_LONG=1 runs the long forms.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v git >/dev/null || missing+=(git)
command -v jq >/dev/null || missing+=(jq)
command -v curl >/dev/null || missing+=(curl)
command -v npm >/dev/null || missing+=(nodejs npm)
command -v shellcheck >/dev/null || missing+=(shellcheck)
command -v restic >/dev/null || missing+=(restic)
command -v sqlite3 >/dev/null || missing+=(sqlite3)
command -v strace >/dev/null || missing+=(strace)
command -v pgbouncer >/dev/null || missing+=(pgbouncer)
command -v unshare >/dev/null || missing+=(util-linux)
python3 -c 'import ensurepip, sqlite3' 2>/dev/null || missing+=(python3 python3-venv)
# FAISS is compiled for faiss-index: its tests need this, the other programs do not.
command -v cmake >/dev/null || missing+=(cmake)
command -v c++ >/dev/null || missing+=(g++)
ldconfig -p 2>/dev/null | grep -q 'liblapack\.so ' || missing+=(libopenblas-dev)
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
if command -v npm >/dev/null && ! cmp -s tests/node/package.json .venv/node/package.json; then
  mkdir -p .venv/node
  node -p 'Object.entries(require("./tests/node/package.json").dependencies).map(it => it.join("@")).join("\n")' |
    xargs npm install --silent --no-audit --no-fund --prefix .venv/node
  cp tests/node/package.json .venv/node/package.json
fi

# Where apt-get is not to be had, PyPI has cmake at least.
PATH=$PATH:$PWD/.venv/bin
command -v cmake >/dev/null || .venv/bin/pip install --quiet --disable-pip-version-check cmake
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-2}

# Signals as a terminal leaves them: under nohup and in the background some are ignored, and tests send them.
run() { env --default-signal=HUP,INT,QUIT cargo test "$@"; }
if (($#)); then
  run "$@"
  exit
fi
packages=(--workspace)
command -v cmake >/dev/null && command -v c++ >/dev/null || packages+=(--exclude faiss-index)
# The tests run the programs: built here together with the tests, nothing is compiled twice.
cargo build "${packages[@]}" --all-targets
GOLDEN_PROGRAMS=$(cd "${CARGO_TARGET_DIR:-target}/debug" && pwd) run "${packages[@]}" --no-fail-fast

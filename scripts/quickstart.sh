#!/usr/bin/env bash
# Builds the programs and shows the main job on this project's own documents. Needs Rust and Python 3;
# everything it makes is in target/quickstart.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
run() {
  printf '$ %s\n' "$*"
  bash -o pipefail -c "$*"
}

say 'Building the programs (the first time takes some minutes)'
cargo build --release -p golden-export -p golden-verify -p golden-import -p golden-embed

target=${CARGO_TARGET_DIR:-target}
PATH=$PWD/scripts:$(cd "$target/release" && pwd):$PATH
work=target/quickstart
rm -rf "$work"
mkdir -p "$work/data"
python3 scripts/sample_dataset.py "$work/data/app.db" README.md docs/*.md
cd "$work"
# The example stands for itself, whatever is configured around it.
unset DATABASE_URL GOLDEN_SCHEMA GOLDEN_EMBED_PROVIDER
export GOLDEN_EMBED_CACHE=$PWD/embeddings.db

say 'A database of this project'\''s pages: each page an analysis, each section a chunk'
run 'golden-export --db data/app.db --output golden.json'
run "grep -A 16 '\"url\": \"README.md\"' golden.json | cut -c 1-100"

say 'Prove that the document is intact'
run 'golden-verify golden.json'

say 'Change one character in the middle of a copy, and see what the verifier says'
lines=$(grep -n '"content": ' golden.json | cut -d: -f1)
line=$(sed -n '5p' <<<"$lines")
run "sed '${line}s/e/3/5' golden.json > damaged.json"
if run 'golden-verify damaged.json'; then
  echo 'the damage was not found' >&2
  exit 1
fi

say 'Put it into a second database, which is made on the way, with vectors of today'\''s model'
run 'golden-verify --tee golden.json | golden-import --db data/copy.db --init'

say 'Search it by meaning: the section that answers has no word in common with the question'
run "search.py data/copy.db 'spotting almost identical paragraphs' --expect 'Near duplicates'"

say 'Both databases hold the same dataset, and the vectors are of the texts beside them'
run 'golden-verify --db data/copy.db golden.json'
for database in app copy; do
  run "golden-export --db data/$database.db --compact | grep -o '\"content\":\"[0-9a-f]\{64\}\"' | tee $database.digest"
done
cmp app.digest copy.digest
say "The same content digest. Look around in $work."

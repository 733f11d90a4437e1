"""Flat documents ("2.0"), independently of the programs under test.

    flat.py make ANALYSES CHUNKS ARTIFACTS   writes one, records in no order
    flat.py lost FLAT NESTED                 prints every value of FLAT that NESTED does not have
"""

import collections
import hashlib
import json
import sys


def make(analyses, chunks, artifacts):
    """Everything such documents have in the wild, and some of what they might have."""

    def ident(kind, number):
        digits = hashlib.md5(f"{kind}/{number}".encode()).hexdigest()
        return "-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]])

    def analysis(number):
        return {
            "id": ident("analysis", number),
            "url": f"https://example.org/{number % 97}",
            "content_type": ["article", "tutorial", "documentation"][number % 3],
            "title": f"Page {number} – “über” 🚀",
            "created_at": f"2025-11-{number % 28 + 1:02}T08:20:00+01:00",
            "tags": ["a", {"b": [number, None, 1.5]}],
        }

    def chunk(number):
        index, owner = divmod(number, analyses)
        snippet = f"Snippet {number}: the quick brown fox, “zwölf” → 🚀. " * (number % 5 + 1)
        total = chunks // analyses + (owner < chunks % analyses)
        return {
            "id": ident("chunk", number),
            "analysis_id": ident("analysis", owner),
            "snippet": snippet,
            "granularity": "coarse",
            "section_title": f"Section {index}",
            "chunk_idx": index,
            "chunk_total": total,
            "path": ["docs", f"part {index}"],
            "hash": hashlib.sha256(snippet.encode()).hexdigest(),
        }

    def artifact(number):
        return {
            "id": ident("artifact", number),
            "analysis_id": ident("analysis", number * 7 % analyses),
            "markdown_content": f"# Artifact {number}\n\nText.\n",
            "artifact_metadata": {"model": f"m{number}", "words": number},
        }

    def array(name, record, count):
        yield f'"{name}": ['
        for number in range(count):
            yield ("," if number else "") + json.dumps(record(number), ensure_ascii=number % 2 == 0)
        yield "]"

    head = {
        "version": "2.0",
        "created_at": "2025-12-19T10:30:00.123456",
        "source": {"database": "app", "rows": [1, 2, 3]},
        "counts": {"analyses": analyses, "artifacts": artifacts, "chunks": chunks, "fixtures": 2},
    }
    tail = {
        "fixtures": {"queries": [{"q": "what?", "expects": [1]}], "documents": {"x": "y"}},
        "metadata": {"generator": "flat.py", "note": "kept"},
    }
    yield json.dumps(head)[:-1] + ', "data": {'
    # The order of most use to nobody.
    yield from array("chunks", chunk, chunks)
    yield ', "embeddings_info": [{"model": "m", "dimension": 3}], '
    yield from array("artifacts", artifact, artifacts)
    yield ", "
    yield from array("analyses", analysis, analyses)
    yield "}, " + json.dumps(tail)[1:] + "\n"




def named(value, name=""):
    """Scalars, and what is empty, with the key they stand under. NULL is what is absent."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from named(item, key)
    elif isinstance(value, list) and value:
        for item in value:
            yield from named(item, name)
    elif value is not None:
        yield name, json.dumps(value)


# What is expressed otherwise: membership by nesting, dates in one spelling, counts as totals.
OTHERWISE = {"analysis_id", "created_at", "analyses", "artifacts", "chunks"}
RENAMED = {"snippet": "content", "chunk_idx": "chunk_index", "path": "section_path", "version": "$flat:version"}


def lost(flat, nested):
    with open(flat, encoding="utf-8") as file:
        flat = json.load(file)
    with open(nested, encoding="utf-8") as file:
        nested = json.load(file)
    before = collections.Counter((RENAMED.get(name, name), value) for name, value in named(flat) if name not in OTHERWISE)
    after = collections.Counter(named(nested))
    missing = before - after
    # Whose each child is, by the ids.
    owners = {child["id"]: analysis["id"] for analysis in nested["analyses"] for child in children(analysis) if "id" in child}
    for kind in ("chunks", "artifacts"):
        for record in flat["data"].get(kind, []):
            if "id" in record and owners.get(record["id"]) != record["analysis_id"]:
                missing[("analysis_id", record["id"])] += 1
    totals = {kind: nested["metadata"][f"total_{kind}"] for kind in ("analyses", "artifacts", "chunks")}
    for kind, total in totals.items():
        if flat["counts"].get(kind, total) != total:
            missing[("counts", kind)] += 1
    return missing


def children(analysis):
    yield from analysis["chunks"]
    yield from analysis.get("artifacts", [])
    if "artifact" in analysis:
        yield analysis["artifact"]


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "make":
        for piece in make(*map(int, arguments)):
            sys.stdout.write(piece)
    elif command == "lost":
        for (name, value), count in sorted(lost(*arguments).items()):
            print(f"{count} × {name}: {value}")

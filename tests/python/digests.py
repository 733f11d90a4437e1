"""The digests of a document, computed from docs/format.md and an RFC 8785 library alone.

Reads a document on standard input; says `sealed as computed` or where the two differ.
"""

import hashlib
import json
import sys

import rfc8785


def digest(value):
    return hashlib.sha256(rfc8785.dumps(value)).hexdigest()


def without(record, *keys):
    return {key: value for key, value in record.items() if key not in keys}


def number(text):
    """RFC 8785 knows doubles only; the library wants whole ones as int."""
    double = float(text)
    return int(double) if double.is_integer() and abs(double) <= 2**53 - 1 else double


document = json.load(sys.stdin, parse_float=number)
computed, found = [], []
analyses = []
for analysis in document["analyses"]:
    chunks = []
    for chunk in analysis["chunks"]:
        chunks.append(digest(without(chunk, "sha256")))
        found.append((chunks[-1], chunk["sha256"], f"chunk {chunk.get('id')}"))
    analyses.append(digest({**without(analysis, "sha256"), "chunks": chunks}))
    found.append((analyses[-1], analysis["sha256"], f"analysis {analysis['id']}"))
content = digest(analyses)
found.append((content, document["checksums"]["content"], "content"))
whole = digest({**without(document, "checksums"), "analyses": content})
found.append((whole, document["checksums"]["document"], "document"))

wrong = [f"{place}: {ours} computed, {theirs} in the document" for ours, theirs, place in found if ours != theirs]
print("\n".join(wrong) or "sealed as computed")
sys.exit(bool(wrong))

#!/usr/bin/env python3
"""Finds the sections of a database whose meaning is nearest to a question's: every chunk's vector, made by
golden-import, is held against the vector that golden-embed makes of the question.

    search.py DATABASE QUESTION [--best N] [--expect SECTION]

--expect fails unless the best answer is that section and has no word in common with the question: then it
was found by its meaning alone.

Example: search.py data/app.db 'which words mean the same?'
"""

import argparse
import array
import json
import math
import re
import sqlite3
import subprocess
import sys
import textwrap

SECTIONS = """
    SELECT a.url, coalesce(c.section_title, ''), c.content, c.embedding
    FROM chunks c JOIN analyses a ON a.id = c.analysis_id
    WHERE c.embedding IS NOT NULL
"""


def floats(blob):
    """A stored vector: little-endian 32-bit floats."""
    numbers = array.array("f", blob)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def embed(text):
    """The vector of a text."""
    line = json.dumps({"id": 0, "text": text})
    run = subprocess.run(["golden-embed", "--quiet"], input=line, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout)["embedding"]


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / (math.hypot(*a) * math.hypot(*b))


def words(text):
    """The words of a text, cut to five letters, so that `restore` and `restored` are one."""
    return {word[:5] for word in re.findall(r"\w+", text.lower())}


def search(database, question):
    """(score, page, section, content), the nearest first."""
    wanted = embed(question)
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute(SECTIONS).fetchall()
    found = [(cosine(wanted, floats(vector)), page, section, content) for page, section, content, vector in rows]
    return sorted(found, reverse=True)


def check(expected, question, found):
    """Why the best answer is not what was expected; nothing if it is."""
    if not found or found[0][2] != expected:
        return f"the section “{expected}” is not the best answer"
    shared = words(question) & words(" ".join(found[0][2:]))
    return f"the question and its answer share words: {', '.join(sorted(shared))}" if shared else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database")
    parser.add_argument("question")
    parser.add_argument("--best", type=int, default=3, metavar="N", help="how many are shown (default 3)")
    parser.add_argument("--expect", metavar="SECTION", help="the section that must come first, without a shared word")
    arguments = parser.parse_args()
    found = search(arguments.database, arguments.question)
    for score, page, section, content in found[: arguments.best]:
        print(f"{score:.3f}  {page}: {section}")
        excerpt = textwrap.shorten(content, 300, placeholder=" …")
        print(textwrap.indent(textwrap.fill(excerpt, 90), "       "))
    if arguments.expect is not None:
        if wrong := check(arguments.expect, arguments.question, found):
            sys.exit(f"{parser.prog}: {wrong}")


main()

#!/usr/bin/env python3
"""Makes a SQLite database of analyses out of Markdown pages: each page an analysis, each section a
chunk, the lead paragraph the summary of its artifact.

    sample_dataset.py DATABASE PAGE.md...
"""

import datetime
import os
import re
import sqlite3
import sys
import uuid

SCHEMA = """
CREATE TABLE analyses (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    content_type TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at TEXT NOT NULL,
    title TEXT
);
CREATE TABLE chunks (
    id TEXT PRIMARY KEY,
    analysis_id TEXT NOT NULL REFERENCES analyses (id),
    content TEXT NOT NULL,
    section_title TEXT,
    section_path TEXT,
    content_type TEXT,
    chunk_index INTEGER NOT NULL,
    embedding BLOB
);
CREATE INDEX chunks_by_analysis ON chunks (analysis_id);
CREATE TABLE artifacts (
    id TEXT PRIMARY KEY,
    analysis_id TEXT NOT NULL REFERENCES analyses (id),
    summary TEXT,
    key_findings JSON,
    metadata JSON
);
"""


def stable_id(*parts):
    """The same page and section get the same id every time."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, parts))))


def sections(text):
    """(title, content) of each part between headings; a # inside a code block is no heading."""
    found, title, lines, in_code = [], None, [], False
    for line in text.splitlines():
        in_code ^= line.startswith("```")
        heading = None if in_code else re.match(r"#{1,6} +(.*)", line)
        if heading:
            found.append((title, "\n".join(lines).strip()))
            title, lines = heading[1], []
        else:
            lines.append(line)
    found.append((title, "\n".join(lines).strip()))
    return [(title, content) for title, content in found if content]


def add_page(database, path):
    with open(path, encoding="utf-8") as page:
        text = page.read()
    parts = sections(text)
    title = next((title for title, _ in parts if title), path)
    written = datetime.datetime.fromtimestamp(int(os.path.getmtime(path)), datetime.timezone.utc)
    created_at = written.strftime("%Y-%m-%dT%H:%M:%SZ")
    analysis = stable_id(path)
    database.execute(
        "INSERT INTO analyses VALUES (?, ?, 'documentation', 'completed', ?, ?)",
        (analysis, path, created_at, title),
    )
    for index, (section, content) in enumerate(parts):
        kind = "code" if content.startswith("```") else "paragraph"
        database.execute(
            "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
            (stable_id(path, index), analysis, content, section, path, kind, index),
        )
    if parts:
        lead = parts[0][1].split("\n\n")[0]
        database.execute(
            "INSERT INTO artifacts VALUES (?, ?, ?, '[]', '{}')",
            (stable_id(path, "artifact"), analysis, lead),
        )


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    database_path, *pages = sys.argv[1:]
    with sqlite3.connect(database_path) as database:
        database.executescript(SCHEMA)
        for page in sorted(pages):
            add_page(database, page)


main()

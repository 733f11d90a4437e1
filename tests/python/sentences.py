"""Sentences of this project's own pages, for the scripts that make reference vectors."""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def sentences():
    """Every sentence of the pages, once, in a fixed order; code and tables left out."""
    found = {}
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
        for paragraph in re.split(r"\n\s*\n|\n(?=- )", text):
            if paragraph.lstrip().startswith(("|", "#")):
                continue
            paragraph = " ".join(paragraph.lstrip("- ").split())
            for sentence in re.split(r"(?<=[.!?]) +(?=[A-Z`])", paragraph):
                if len(sentence) > 20:
                    found[sentence] = None
    return list(found)

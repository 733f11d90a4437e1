"""Reads a page as a browser does that obeys nothing, and prints what is to be seen as JSON. Fails where a page is not
whole, holds anything that would run, or names a place elsewhere."""

import json
import sys
from html.parser import HTMLParser

VOID = {"meta", "br"}
KNOWN = VOID | set("html head title style body h1 h2 h3 p span div b i code table thead tbody tr th td ul li pre".split())


class Page(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.tiles, self.bars, self.rows, self.text = [], {}, {}, [], []

    def handle_starttag(self, tag, attributes):
        assert tag in KNOWN, tag
        for name, value in attributes:
            allowed = name in ("class", "style", "title", "lang", "id", "data-of") or tag == "meta"
            assert allowed and "//" not in value and "url(" not in value, (tag, name, value)
        if tag in VOID:
            return
        self.open.append((tag, dict(attributes).get("class", ""), []))
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        opened, kind, said = self.open.pop()
        assert opened == tag, f"</{tag}> ends <{opened}>"
        said = "".join(said)
        if self.open:
            self.open[-1][2].append(said + ("\n" if tag in ("div", "p", "li") else ""))
        if tag in ("td", "th"):
            self.rows[-1].append(said.strip())
        if tag == "h3":
            self.title = said
        if tag == "tr" and self.rows[-1] and any(kind == "card" for _, kind, _ in self.open):
            name, number, _ = self.rows.pop()
            self.bars.setdefault(self.title, {})[name] = int(number)
        if tag == "b" and self.open[-1][1] == "tile":
            self.number = said
        if kind == "tile":
            self.tiles[said[len(self.number):]] = self.number

    def handle_data(self, data):
        if self.open and self.open[-1][0] == "style":
            assert "@import" not in data and "url(" not in data
        elif self.open:
            self.open[-1][2].append(data)
            self.text.append(data)

    def unknown_decl(self, data):
        raise AssertionError(data)


page = Page()
source = open(sys.argv[1], encoding="utf-8").read()
assert source.startswith("<!doctype html>")
page.feed(source)
page.close()
assert not page.open, page.open
json.dump({"tiles": page.tiles, "bars": page.bars, "rows": page.rows, "text": "".join(page.text)}, sys.stdout)

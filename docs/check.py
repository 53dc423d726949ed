"""Check a built site: ``python -m docs.check site``.

Every link, picture, script and style of every page must lead to a file of the site, and to a place
in it that exists. Nothing may be loaded from elsewhere: the site works without a network, and no
other server learns who reads it.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urlsplit

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
"""Tags and attributes whose target a browser loads with the page."""

_POINTERS = ("canonical", "edit", "next", "prev", "alternate")
"""Kinds of ``<link>`` that a browser does not fetch."""


CALLS = {
    ("class", "mermaid"): "a mermaid drawing is drawn by a script from elsewhere",
    ("data-md-component", "source"): "repo_url asks GitHub for the stars of the repository",
}
"""Parts of a page for which a script of the theme calls elsewhere: attribute, word, and why."""


class Link(NamedTuple):
    """A reference of a page to something else."""

    url: str
    loaded: bool


class Page(HTMLParser):
    """The anchors of one page, and its references."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[Link] = []
        self.calls: set[str] = set()
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect ids and references."""
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[key] for key in ("id", "name") if key in found}
        self.calls |= {what for (key, word), what in CALLS.items() if word in found.get(key, "")}
        if tag == "a" and "href" in found:
            self.links.append(Link(found["href"], False))
        elif (key := LOADED.get(tag)) and found.get(key):
            pointer = tag == "link" and found.get("rel") in _POINTERS
            self.links.append(Link(found[key], not pointer))


def faults(site: Path) -> list[str]:
    """Return the faults of a site, one line each."""
    pages = {file.resolve(): Page(file) for file in sorted(site.rglob("*.html"))}
    found = [] if pages else [f"{site}: no pages"]
    for file, page in pages.items():
        name = file.relative_to(site.resolve())
        found += [f"{name}: {what}" for what in sorted(page.calls)]
        if name.name == "404.html":  # served for any address, so its links are absolute
            continue
        for link in page.links:
            if fault := _fault(link, file, pages):
                found.append(f"{name}: {link.url}: {fault}")
    return found


def _fault(link: Link, file: Path, pages: dict[Path, Page]) -> str:
    address, place = urldefrag(link.url)
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return "is loaded from elsewhere" if link.loaded and parts.scheme != "data" else ""
    target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if not target.is_file():
        return "no such file"
    if place and target in pages and unquote(place) not in pages[target].ids:
        return "no such place in the page"
    return ""


def main() -> None:
    """Check the site that is named, and exit with 1 if something is wrong."""
    found = faults(Path(sys.argv[1]))
    for fault in found:
        print(fault, file=sys.stderr)
    if found:
        sys.exit(f"{len(found)} faults")
    print("every link of the site leads somewhere, and nothing is loaded from elsewhere")


if __name__ == "__main__":
    main()

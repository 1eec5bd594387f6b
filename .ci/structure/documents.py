"""Rules on the documents: their links, and the tests that SECURITY.md names."""

import pathlib
import re

from . import files

SECURITY = pathlib.Path("SECURITY.md")
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED_TEST = re.compile(r"`([^`\n]+)` \((\w+(?:\+\w+)?)\)")


def pages() -> list[pathlib.Path]:
    return [*sorted(pathlib.Path(".").glob("*.md")), *sorted(pathlib.Path("Documentation").rglob("*.md"))]


def _anchors(text: str) -> set[str]:
    """GitHub's anchor of each heading."""
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links():
    """Each relative link in a document leads to a file, and to a heading if it has an anchor."""
    for page in pages():
        for number, line in enumerate(files.text(page).splitlines(), 1):
            for target in LINK.findall(line):
                if re.match(r"[a-z]+:", target):
                    continue
                name, _, anchor = target.partition("#")
                path = page.parent / name if name else page
                if not path.exists():
                    yield page, number, f"the link {target} leads to no file"
                elif anchor and anchor not in _anchors(files.text(path)):
                    yield page, number, f"the link {target} leads to no heading"


def security():
    """Each test that SECURITY.md names exists in the file that it names."""
    sources = {path.stem: files.text(path) for path in files.swift_files("Tests")}
    for number, line in enumerate(files.text(SECURITY).splitlines(), 1):
        named = NAMED_TEST.findall(line)
        if line.startswith("| ") and not named and not line.startswith("| claim |"):
            yield SECURITY, number, "this claim names no test"
        for test, file in named:
            if f"func `{test}`" not in re.sub(r"func\s+`", "func `", sources.get(file, "")):
                yield SECURITY, number, f"{file} has no test `{test}`"


ARCHITECTURE = pathlib.Path("ARCHITECTURE.md")
WALK = re.compile(r"^### [^\n]*\((\d+) files\)$\n(.*?)(?=^#|\Z)", re.M | re.S)


def walks():
    """The walks in ARCHITECTURE.md name files of Sources, and their headings have the number of files."""
    names = {path.name for path in files.swift_files("Sources")}
    text = files.text(ARCHITECTURE)
    for walk in WALK.finditer(text):
        line = text.count("\n", 0, walk.start()) + 1
        entered = set(re.findall(r"`([\w+]+\.swift)`", walk.group(2)))
        for name in sorted(entered - names):
            yield ARCHITECTURE, line, f"Sources has no file {name}"
        if len(entered) != int(walk.group(1)):
            yield ARCHITECTURE, line, f"this walk enters {len(entered)} files, its heading says {walk.group(1)}"

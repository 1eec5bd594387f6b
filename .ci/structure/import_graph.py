"""The import graph in ARCHITECTURE.md, generated from Package.swift."""

import pathlib

from . import files
from .layout import LAYERS

PAGE = pathlib.Path("ARCHITECTURE.md")
BEGIN = "<!-- import graph: written by .ci/import-graph -->"
END = "<!-- end of the import graph -->"


def graph() -> str:
    """A table: each module of Sources, the modules it imports, and the products of packages, in the order of the layers."""
    lines = ["| folder | module | imports | packages |", "|---|---|---|---|"]
    for layer in LAYERS:
        members = [target for target in files.targets().values() if target.folder == layer]
        # Modules that import nothing of their folder come first.
        members.sort(key=lambda target: (_depth(target), target.name))
        for target in members:
            imports = ", ".join(sorted(target.targets, key=str.lower)) or "–"
            packages = ", ".join(sorted(target.products)) or "–"
            if target.kind == "system":
                imports = "a C library"
            lines.append(f"| {layer} | {target.name} | {imports} | {packages} |")
    return "\n".join(lines)


def _depth(target: files.Target) -> int:
    """The longest chain of imports inside the target's folder."""
    inside = [files.targets()[name] for name in target.targets]
    return max((_depth(other) + 1 for other in inside if other.folder == target.folder), default=0)


def documented() -> tuple[str, int]:
    """The graph in ARCHITECTURE.md, and its line; empty without one."""
    text = files.text(PAGE) if PAGE.exists() else ""
    if BEGIN not in text or END not in text:
        return "", 1
    before, rest = text.split(BEGIN, 1)
    return rest.split(END, 1)[0].strip(), before.count("\n") + 1


def import_graph():
    """ARCHITECTURE.md has the import graph that Package.swift makes."""
    shown, line = documented()
    if shown != graph():
        yield PAGE, line, "the import graph is not that of Package.swift; run .ci/import-graph"


def write():
    text = PAGE.read_text()
    before, rest = text.split(BEGIN, 1)
    PAGE.write_text(before + BEGIN + "\n\n" + graph() + "\n\n" + END + rest.split(END, 1)[1])

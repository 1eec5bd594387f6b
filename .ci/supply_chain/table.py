"""Compares Documentation/dependencies.md with Package.swift and with a build."""

import functools
import json
import pathlib
import re
import subprocess

from . import linked

PAGE = pathlib.Path("Documentation/dependencies.md")
LINKED = "## Swift packages in the program"
FETCHED = "## Swift packages that are fetched only"
LIBRARIES = "## Libraries of Debian"
FEWEST_WORDS = 2


def rows(heading: str) -> dict[str, list[str]]:
    """The rows of the first table below a heading: the first cell, and the others."""
    section = PAGE.read_text().split(f"\n{heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    return {first: others for first, *others in cells}


@functools.cache
def dependents() -> dict[str, set[str]]:
    """The packages that name a package: `Package.swift` or their identities."""
    tree = json.loads(subprocess.check_output(["swift", "package", "show-dependencies", "--format", "json"]))
    found: dict[str, set[str]] = {}

    def visit(node: dict, name: str):
        for child in node["dependencies"]:
            found.setdefault(child["identity"], set()).add(name)
            visit(child, child["identity"])

    visit(tree, "Package.swift")
    return found


def failures(build: linked.Build):
    yield from _exact()
    packages, named = build.modules(), dependents()
    fetched = {name: item for name, item in linked.resolved().items() if name in named}
    yield from _packages(LINKED, {name: fetched[name] for name in packages})
    yield from _packages(FETCHED, {name: item for name, item in fetched.items() if name not in packages})
    libraries = {name for name, path in build.libraries().items() if not linked.is_swift_library(path)}
    yield from _same(LIBRARIES, libraries)
    for library, cells in rows(LIBRARIES).items():
        yield from _reason(library, cells, 2)


def _exact():
    """Package.swift names exact versions."""
    manifest = json.loads(subprocess.check_output(["swift", "package", "dump-package"]))
    for dependency in manifest["dependencies"]:
        for source in dependency.get("sourceControl", [{"identity": "a local package"}]):
            if "exact" not in source.get("requirement", {}):
                yield f"Package.swift: {source['identity']} has no exact version"


def _packages(heading: str, packages: dict[str, dict]):
    yield from _same(heading, set(packages))
    for name, cells in rows(heading).items():
        if name not in packages:
            continue
        yield from _reason(name, cells, 3)
        if cells[0] != packages[name]["version"]:
            yield f"{PAGE}: {name} is {cells[0]}, the build has {packages[name]['version']}: read its changes first"
        bringing = {"Package.swift"} if "Package.swift" in dependents()[name] else _linked_first(dependents()[name])
        if set(cells[1].split(", ")) != bringing:
            yield f"{PAGE}: {name} is brought by {', '.join(sorted(bringing))}"


def _linked_first(names: set[str]) -> set[str]:
    """The packages of the program among `names`, or all if there is none."""
    return names & set(rows(LINKED)) or names


def _same(heading: str, names: set[str]):
    listed = set(rows(heading))
    for name in sorted(names - listed):
        yield f"{PAGE}: {name} is missing under {heading.strip('# ')}"
    for name in sorted(listed - names):
        yield f"{PAGE}: {name} does not belong under {heading.strip('# ')}"


def _reason(name: str, cells: list[str], number_of_cells: int):
    if len(cells) != number_of_cells or len(re.findall(r"\w+", cells[-1])) < FEWEST_WORDS:
        yield f"{PAGE}: {name} has no reason"

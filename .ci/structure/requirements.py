"""Rule on the ids of requirements, and the column of tests in Documentation/requirements.md. RequirementTests checks the ids,
too, when the tests run."""

import pathlib
import re

from . import files

PAGE = pathlib.Path("Documentation/requirements.md")
WITHOUT = "## Without a test"
ID = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:STS|RPT|DANE|NAME)-(?:6698-)?[0-9A-Z][0-9.]*-[a-z]{1,2}|IDN-[a-z]|D[0-9]{1,2})\b(?![-.\w])")
# In other text than names of tests. `D7` alone may be anything; `X-3.1-a` is an id with a wrong prefix.
UNAMBIGUOUS = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:STS|RPT|DANE|NAME)-(?:6698-)?[0-9][0-9.]*-[a-z]{1,2}|IDN-[a-z]|[A-Za-z]+-[0-9]+\.[0-9.]*-[a-z]{1,2})"
    r"(?![-\w])")
# The attribute with its arguments, and the name; labels of tables of arguments; brackets of fixtures.
TEST = re.compile(r"@Test\b((?:(?!@Test)[\s\S])*?)\bfunc\s+(`[^`\n]*`|\w+)")
LABEL = re.compile(r'\b(?:Pitfall|CertificateCase)\(\s*(?:\w+,\s*)?"((?:[^"\\\n]|\\.)*)"')
BRACKETS = re.compile(r"\[([^\]\n]*)\]")
# Files that hold lists of ids, not tests.
LISTS = {"CorpusCoverageTests.swift", "RequirementTests.swift"}


def _paths() -> list[pathlib.Path]:
    paths = [*files.swift_files("Tests"), *sorted(pathlib.Path("Tests/Fixtures").rglob("*.txt"))]
    return [path for path in paths if path.name not in LISTS]


def tests() -> dict[str, set[str]]:
    """The files, without `.swift`, whose tests name each id."""
    found: dict[str, set[str]] = {}
    for path in _paths():
        if path.suffix == ".txt":
            named = BRACKETS.findall(files.text(path))
        else:
            code = re.sub(r"(^|\s)//.*", r"\1", files.text(path), flags=re.M)
            named = [part for test in TEST.findall(code) for part in test] + LABEL.findall(code)
        for name in ID.findall("\n".join(named)):
            found.setdefault(name, set()).add(path.name.removesuffix(".swift"))
    return found


def _rows():
    """Each requirement of the page: line, id, the cells after the id, and whether it is one without a test."""
    without = False
    for number, row in enumerate(files.text(PAGE).splitlines(), 1):
        without = without or row == WITHOUT
        cells = [cell.strip() for cell in row.split("|")[1:-1]]
        if len(cells) > 1 and ID.fullmatch(cells[0]):
            yield number, cells[0], cells[1:], without


def requirements():
    """Each requirement of requirements.md has its tests or a reason, and each id in a test or a source is a requirement."""
    known, tested = set(), tests()
    for number, name, cells, without in _rows():
        if name in known:
            yield PAGE, number, f"{name} has two rows"
        known.add(name)
        if without and (name in tested or len(cells) < 2 or not cells[1]):
            yield PAGE, number, f"{name} has a test, or no reason why it has none"
        elif not without and name not in tested:
            yield PAGE, number, f"no test names {name}, and it is not in the table of reasons"
        elif not without and cells[1:] != [", ".join(sorted(tested[name]))]:
            yield PAGE, number, f"the tests of {name} are {', '.join(sorted(tested[name]))}; run .ci/requirement-tests"
    for path in [*_paths(), *files.swift_files("Sources")]:
        for number, line in enumerate(files.text(path).splitlines(), 1):
            for name in UNAMBIGUOUS.findall(line):
                if name not in known:
                    yield path, number, f"{name} is not in {PAGE}"


def write():
    """Writes the column of tests."""
    tested = tests()
    lines = PAGE.read_text().splitlines()
    for number, name, cells, without in _rows():
        if not without:
            lines[number - 1] = f"| {name} | {cells[0]} | {', '.join(sorted(tested.get(name, set())))} |"
    PAGE.write_text("\n".join(lines) + "\n")

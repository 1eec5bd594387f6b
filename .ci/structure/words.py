"""Rule on words that have a plainer one."""

import bisect
import dataclasses
import functools
import pathlib
import re

from . import files

LIST = pathlib.Path(".ci/structure/words.txt")
ALLOWED = pathlib.Path(".ci/structure/words-allowed.txt")
TEXTS = [
    "Sources", "Tests", "Benchmarks", "Documentation", ".ci", "debian", "systemd", "postfix", "README.md", "ARCHITECTURE.md",
    "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "Makefile", "Package.swift", "Dockerfile", "docker-compose.yml",
]
# They name the words. CHANGELOG.md names the old log messages.
SKIPPED = {LIST, ALLOWED, pathlib.Path("CHANGELOG.md")}
# A capital or an underscore separates the words of a name, as in `cachedPolicy`, `XMLParser` and `cached_policy`.
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+(?:['’](?:s|t|re)\b)?")


@dataclasses.dataclass(frozen=True)
class Allowed:
    """A use of a listed word in its own sense: where the words around it match, in files that match."""

    around: re.Pattern
    glob: str


@functools.cache
def listed() -> dict[tuple[str, ...], str]:
    """Each word or phrase of words.txt, split into its words, with what to use for it."""
    entries = {}
    for line in files.text(LIST).splitlines():
        if "->" not in line or line.startswith("#"):
            continue
        words, use = (part.strip() for part in line.split("->", 1))
        for phrase in words.split(","):
            entries[tuple(phrase.split())] = use
    return entries


@functools.cache
def by_first_word() -> dict[str, list[tuple[str, ...]]]:
    entries: dict[str, list[tuple[str, ...]]] = {}
    for phrase in listed():
        entries.setdefault(phrase[0], []).append(phrase)
    return entries


@functools.cache
def allowed() -> list[Allowed]:
    """words-allowed.txt: `REGULAR EXPRESSION | GLOB | reason`."""
    entries = []
    for line in files.text(ALLOWED).splitlines():
        if "|" in line and not line.startswith("#"):
            around, glob, _ = (part.strip() for part in line.rsplit("|", 2))
            entries.append(Allowed(re.compile(around, re.I), glob))
    return entries


def paths():
    for name in TEXTS:
        root = pathlib.Path(name)
        found = sorted(root.rglob("*")) if root.is_dir() else [root]
        for path in found:
            if path.is_file() and path not in SKIPPED and "__pycache__" not in path.parts:
                yield path


def _split(text: str) -> list[re.Match]:
    return list(WORD.finditer(text))


def _phrases_at(found: list[re.Match], index: int):
    """The listed words and phrases that begin at this word."""
    for phrase in by_first_word().get(found[index].group().lower(), ()):
        if tuple(match.group().lower() for match in found[index : index + len(phrase)]) == phrase:
            yield phrase


def _in_text(path: pathlib.Path, text: str):
    exceptions = None
    found = _split(text)
    lines = [match.start() for match in re.finditer(r"^", text, re.M)]
    for index, match in enumerate(found):
        for phrase in _phrases_at(found, index):
            start, end = match.start(), found[index + len(phrase) - 1].end()
            # A phrase goes on over the end of a line, but not over the end of a sentence, nor from string to string.
            if re.search(r"[.;:,()\"{}]|\n\s*\n", text[start:end]):
                continue
            if exceptions is None:
                entries = [entry for entry in allowed() if path.match(entry.glob)]
                exceptions = [around.span() for entry in entries for around in entry.around.finditer(text)]
            if not any(first <= start and end <= last for first, last in exceptions):
                yield path, bisect.bisect_right(lines, start), f"“{' '.join(phrase)}”: {listed()[phrase]}"


def _in_name(path: pathlib.Path):
    """The name of a file of Swift or of a document. Names of other files are not ours, such as debian/NEWS."""
    if path.suffix in (".swift", ".md") and not any(entry.around.fullmatch(path.stem.split("+")[0]) for entry in allowed()):
        found = _split(path.stem)
        for index in range(len(found)):
            for phrase in _phrases_at(found, index):
                yield path, 1, f"“{' '.join(phrase)}” in the name of the file: {listed()[phrase]}"


def words():
    """No listed word is in sources, tests, benchmarks, scripts, documents, nor inside of names in camelCase."""
    for path in paths():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        yield from _in_text(path, text)
        yield from _in_name(path)

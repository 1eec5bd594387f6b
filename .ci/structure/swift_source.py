"""Reads Swift as far as the rules need it: declarations of types, functions and their parameters, doc comments.

The text is first blanked: comments and strings become spaces, names in backticks become underscores, so that braces and
keywords in them do not count. Offsets and lines stay those of the file.
"""

import dataclasses
import functools
import pathlib
import re

from . import files

TYPE = re.compile(r"\b(struct|class|enum|actor|protocol|extension|typealias)\s+([A-Za-z_][\w.]*)")
FUNCTION = re.compile(r"\bfunc\s+([\w_]+|[-+*/%<>=!&|^~?.]+)|(?<![.\w])(init)[?!]?(?=\s*[(<])|\b(subscript)(?=\s*[(<])")
# Not `let size = { … }()` and not a property with observers only.
PROPERTY = re.compile(r"\bvar\s+(\w+)\s*:[^={}\n]*\{")
MARK = re.compile(r'//|/\*|#*"|`|#+/|/')
CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}


def _blank(piece: str) -> str:
    return re.sub(r"[^\n]", " ", piece)


def _end_of_string(source: str, start: int) -> int:
    """The offset after the string literal that begins at `start`, raw and multi-line ones and interpolations included."""
    hashes = 0
    while source[start + hashes] == "#":
        hashes += 1
    # Three quotes begin a multi-line literal only at the end of a line: `#""""#` has two quotes inside.
    quote = '"""' if re.compile(r'"""[ \t]*\n').match(source, start + hashes) else '"'
    end, escape = quote + "#" * hashes, "\\" + "#" * hashes
    at = start + hashes + len(quote)
    while at < len(source):
        if source.startswith(end, at):
            return at + len(end)
        if source.startswith(escape + "(", at):
            at = _end_of_interpolation(source, at + len(escape) + 1)
        elif source.startswith(escape, at):
            at += len(escape) + 1
        elif quote == '"' and source[at] == "\n":
            return at
        else:
            at += 1
    return at


def _end_of_interpolation(source: str, at: int) -> int:
    depth = 1
    while depth and at < len(source):
        if source[at] == '"':
            at = _end_of_string(source, at)
            continue
        depth += {"(": 1, ")": -1}.get(source[at], 0)
        at += 1
    return at


def _end_of_regex(source: str, start: int) -> int | None:
    """The offset after a literal `/…/` that begins at `start`; None if the slash divides."""
    before = source[:start].rstrip(" ")
    last = before[-1:] or "\n"
    follows = last in "(,=:[!&|{;?\n" or re.search(r"\b(return|in|case|try|await)$", before[-8:])
    if not follows or source[start + 1 : start + 2] in (" ", "\n", "/", "*", ""):
        return None
    match = re.compile(r"/(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/").match(source, start)
    return match.end() if match else None


def blanked(source: str) -> str:
    pieces, at = [], 0
    while match := MARK.search(source, at):
        start, mark, replacement = match.start(), match.group(), None
        if mark == "//":
            end = source.find("\n", start)
        elif mark == "/*":
            end = source.find("*/", start) + 2
        elif mark == "`":
            end = source.find("`", start + 1) + 1
            replacement = "_" * (end - start)
        elif mark.endswith('"'):
            end = _end_of_string(source, start)
        elif mark.startswith("#"):
            end = source.find("/" + "#" * (len(mark) - 1), start + len(mark)) + len(mark)
        else:
            found = _end_of_regex(source, start)
            end, replacement = (found, None) if found else (start + 1, "/")
        if end < start:
            end = len(source)
        pieces += [source[at:start], replacement or _blank(source[start:end])]
        at = end
    return "".join(pieces) + source[at:]


@dataclasses.dataclass(frozen=True)
class Declaration:
    """A type, or an extension of one."""

    keyword: str
    name: str
    # What follows the colon: the class, protocols, and raw type.
    inherited: list[str]
    line: int


@dataclasses.dataclass(frozen=True)
class Function:
    """A function, initialiser, subscript or computed property."""

    name: str
    is_operator: bool
    is_subscript: bool
    unlabelled: int
    line: int
    # Of the closing brace; `line` if there is no body.
    last_line: int


class SwiftSource:
    def __init__(self, path: pathlib.Path):
        self.path = path
        self.text = files.text(path)
        self.code = blanked(self.text)
        self.lines = self.text.splitlines()

    def line(self, offset: int) -> int:
        return self.code.count("\n", 0, offset) + 1

    def end_of(self, opening: int) -> int:
        """The offset of the bracket that closes the one at `opening`."""
        depth, open_bracket = 0, self.code[opening]
        closing = CLOSING[open_bracket]
        for at in range(opening, len(self.code)):
            if self.code[at] == open_bracket:
                depth += 1
            elif self.code[at] == closing and self.code[at - 1] != "-":
                depth -= 1
                if depth == 0:
                    return at
        return len(self.code) - 1

    @functools.cached_property
    def declarations(self) -> list[Declaration]:
        found = []
        for match in TYPE.finditer(self.code):
            keyword, name = match.group(1), match.group(2)
            # `class func`, `class var`, and `.extension`, `where T: class`.
            if name in ("func", "var", "let", "init") or self.code[match.start() - 1] in ".:":
                continue
            head = re.compile(r"[^{=]*").match(self.code, match.end()).group()
            head = re.split(r"\bwhere\b", head)[0]
            inherited = head.split(":", 1)[1] if ":" in head and keyword != "typealias" else ""
            names = [re.sub(r"@\w+|\bany\b|\bnonisolated\b", "", name).strip() for name in inherited.split(",")]
            found.append(Declaration(keyword, name, [name for name in names if name], self.line(match.start())))
        return found

    @functools.cached_property
    def functions(self) -> list[Function]:
        found = []
        for match in FUNCTION.finditer(self.code):
            name = match.group(1) or match.group(2) or match.group(3)
            opening = self._parameters(match.end())
            # A call of `init` on an instance, or a type of that name.
            if opening is None:
                continue
            closing = self.end_of(opening)
            shown = self._shown_name(match, name)
            found.append(
                Function(
                    name=shown, is_operator=not re.match(r"\w", name), is_subscript=name == "subscript",
                    unlabelled=self._unlabelled(opening, closing), line=self.line(match.start()),
                    last_line=self.line(self._end_of_body(closing))))
        for match in PROPERTY.finditer(self.code):
            found.append(
                Function(
                    name=match.group(1), is_operator=False, is_subscript=False, unlabelled=0,
                    line=self.line(match.start()), last_line=self.line(self.end_of(match.end() - 1))))
        return found

    def _shown_name(self, match: re.Match, name: str) -> str:
        return self.text[match.start(1) : match.end(1)] if match.group(1) else name

    def _parameters(self, at: int) -> int | None:
        """The offset of the parenthesis that opens the parameter list."""
        rest = re.compile(r"\s*").match(self.code, at).end()
        if self.code[rest : rest + 1] == "<":
            rest = re.compile(r"\s*").match(self.code, self.end_of(rest) + 1).end()
        return rest if self.code[rest : rest + 1] == "(" else None

    def _unlabelled(self, opening: int, closing: int) -> int:
        """How many parameters between the parentheses begin with `_`. A closure at the end does not count: a call writes it
        behind the parentheses, without a label."""
        pieces, depth, last = [], 0, opening + 1
        for at in range(opening + 1, closing):
            character = self.code[at]
            if character in "([{<":
                depth += 1
            elif character in ")]}" or (character == ">" and self.code[at - 1] != "-"):
                depth -= 1
            elif character == "," and depth == 0:
                pieces.append(self.code[last:at])
                last = at + 1
        pieces.append(self.code[last:closing])
        if re.search(r"->", pieces[-1].split(":", 1)[-1].split("=")[0]):
            pieces.pop()
        return sum(bool(re.match(r"\s*(@\w+(\([^)]*\))?\s+)*_\s+\w+\s*:", piece)) for piece in pieces)

    def _end_of_body(self, closing: int) -> int:
        """The offset of the brace that ends the body; `closing` for a requirement of a protocol."""
        stop = re.compile(
            r"[{};]|\n\s*(?=(?:@|package\b|public\b|private\b|fileprivate\b|internal\b|static\b|mutating\b|func\b|var\b|let\b"
            r"|init\b|case\b|associatedtype\b|subscript\b|nonisolated\b|#))")
        match = stop.search(self.code, closing)
        if match is None or match.group() != "{":
            return closing
        return self.end_of(match.start())

    def doc_comment(self, line: int) -> list[tuple[int, str]]:
        """The lines of the `///` comment above the declaration at `line`, each with its number, without slashes."""
        at, comment = line - 2, []
        while at >= 0 and re.match(r"\s*@", self.lines[at]):
            at -= 1
        while at >= 0 and (match := re.match(r"\s*///\s?(.*)", self.lines[at])):
            comment.append((at + 1, match.group(1)))
            at -= 1
        return comment[::-1]


@functools.cache
def parse(path: pathlib.Path) -> SwiftSource:
    return SwiftSource(path)

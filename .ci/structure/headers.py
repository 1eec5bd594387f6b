"""Rule on the keys in the doc comments of types."""

import re

from . import files
from .swift_source import parse

KEYS = ["Protocol", "Concurrency", "Limits", "Errors", "Security", "Not here"]
# A word and a colon where a sentence or a paragraph begins.
KEY = re.compile(r"(Not here|[A-Z][A-Za-z]*(?: by)?):(?=\s|$)")


def headers():
    """A type's doc comment has at most the keys Protocol, Concurrency, Limits, Errors, Security, Not here; in this order."""
    for path in files.swift_files("Sources"):
        source = parse(path)
        for item in source.declarations:
            comment = source.doc_comment(item.line)
            last = -1
            for index, (number, text) in enumerate(comment):
                before = comment[index - 1][1].rstrip() if index else ""
                match = KEY.match(text)
                if not match or (before and before[-1] not in ".:;)`"):
                    continue
                if (key := match.group(1)) not in KEYS:
                    yield path, number, f"key {key}: of {item.name}; the keys are {', '.join(KEYS)}"
                elif KEYS.index(key) <= last:
                    yield path, number, f"key {key}: of {item.name} is repeated or out of order: {', '.join(KEYS)}"
                else:
                    last = KEYS.index(key)

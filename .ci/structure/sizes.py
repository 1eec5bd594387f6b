"""Rules on the sizes of files and functions."""

from . import files
from .swift_source import parse

LONGEST_FILE = 400
LONGEST_FUNCTION = 60
SHORTEST_FILE = 20


def file_size():
    """No Swift file has more than 400 lines."""
    for path in files.swift_files():
        length = files.text(path).count("\n")
        if length > LONGEST_FILE:
            yield path, length, f"{length} lines, at most {LONGEST_FILE}"


def function_size():
    """No function, initialiser or computed property has more than 60 lines, from its name to its closing brace."""
    for path in files.swift_files():
        for function in parse(path).functions:
            length = function.last_line - function.line + 1
            if length > LONGEST_FUNCTION:
                yield path, function.line, f"{function.name} has {length} lines, at most {LONGEST_FUNCTION}"


def fragments():
    """No Swift file has fewer than 20 lines, except main.swift."""
    for path in files.swift_files():
        length = files.text(path).count("\n")
        if length < SHORTEST_FILE and path.name != "main.swift":
            yield path, 1, f"{length} lines; a file under {SHORTEST_FILE} joins the file that it belongs to"

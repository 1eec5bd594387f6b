"""Rules on names and labels."""

import pathlib

from . import files
from .swift_source import parse

INTERCHANGEABLE = pathlib.Path(".ci/structure/interchangeable.txt")


def file_names():
    """A file is named like a type that it declares, or Type+Aspect.swift like a type that it extends; or main.swift."""
    for path in files.swift_files():
        if path.name == "main.swift":
            continue
        declarations = parse(path).declarations
        declared = {part for item in declarations if item.keyword != "extension" for part in item.name.split(".")}
        extended = {part for item in declarations for part in item.name.split(".")}
        name, _, aspect = path.stem.partition("+")
        if aspect and name not in extended:
            yield path, 1, f"declares and extends no type {name}"
        elif not aspect and name not in declared:
            yield path, 1, f"declares no type {name}"


def error_names():
    """A type that conforms to Error ends in Error."""
    for path in files.swift_files():
        for item in parse(path).declarations:
            name = item.name.split(".")[-1]
            conforms = {"Error", "Swift.Error", "LocalizedError"} & {part.strip() for part in item.inherited}
            if conforms and not name.endswith("Error"):
                yield path, item.line, f"{name} conforms to Error, and its name does not end in Error"


def interchangeable() -> dict[str, str]:
    """The functions in interchangeable.txt, `FILE NAME: reason`, by `FILE NAME`."""
    lines = files.text(INTERCHANGEABLE).splitlines()
    return dict(line.split(": ", 1) for line in lines if ": " in line and not line.startswith("#"))


def two_unlabelled():
    """Each parameter after the first has a label, except of operators and where arguments are interchangeable."""
    exceptions, used = interchangeable(), set()
    for path in files.swift_files():
        for function in parse(path).functions:
            if function.unlabelled != 2 or function.is_operator or function.is_subscript:
                continue
            if (entry := f"{path} {function.name}") in exceptions:
                used.add(entry)
                continue
            yield path, function.line, (
                f"{function.name} has two parameters without a label; if its arguments are interchangeable, "
                f"say why in {INTERCHANGEABLE}")
    for entry in exceptions.keys() - used:
        number = next(at for at, line in enumerate(files.text(INTERCHANGEABLE).splitlines(), 1) if line.startswith(entry))
        yield INTERCHANGEABLE, number, f"no function needs this entry: {entry}"


def three_unlabelled():
    """No function has three parameters without a label."""
    for path in files.swift_files():
        for function in parse(path).functions:
            if function.unlabelled > 2 and not function.is_operator:
                yield path, function.line, f"{function.name} has {function.unlabelled} parameters without a label"


def module_names():
    """A module is not named like a type in it, nor is a benchmark or the executable. Nothing imports a module of tests, and
    its suite may have its name."""
    for target in files.targets().values():
        if target.kind in ("system", "binary", "test"):
            continue
        for path in files.swift_files(target.path.parts[0]):
            if not path.is_relative_to(target.path):
                continue
            for item in parse(path).declarations:
                if item.keyword != "extension" and item.name == target.module:
                    yield path, item.line, f"type {item.name} has the name of its module"

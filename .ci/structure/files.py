"""The files of this repository that the rules read."""

import functools
import json
import pathlib
import subprocess

FOLDERS = ["Sources", "Tests", "Benchmarks"]


@functools.cache
def swift_files(*folders: str) -> list[pathlib.Path]:
    """All Swift files below `folders` (default: all three), sorted by path."""
    return sorted(path for folder in folders or FOLDERS for path in pathlib.Path(folder).rglob("*.swift"))


@functools.cache
def text(path: pathlib.Path) -> str:
    return path.read_text()


@functools.cache
def manifest() -> dict:
    """Package.swift as JSON. This evaluates the manifest only; it resolves and builds nothing."""
    return json.loads(subprocess.check_output(["swift", "package", "dump-package"]))


class Target:
    """A target of Package.swift, with the names of the targets and products that it declares."""

    def __init__(self, description: dict):
        self.name: str = description["name"]
        self.kind: str = description["type"]
        default = ("Tests/" if self.kind == "test" else "Sources/") + self.name
        self.path = pathlib.Path(description.get("path") or default)
        self.targets: list[str] = []
        self.products: list[str] = []
        for dependency in description["dependencies"]:
            if "product" in dependency:
                self.products.append(dependency["product"][0])
            else:
                self.targets.append((dependency.get("byName") or dependency["target"])[0])

    @property
    def module(self) -> str:
        """The name in an import."""
        return self.name.replace("-", "_")

    @property
    def folder(self) -> str:
        """`Standards` of `Sources/Standards/MTASTS`; for tests and benchmarks their first folder."""
        return self.path.parts[1] if self.path.parts[0] == "Sources" and len(self.path.parts) > 2 else self.path.parts[0]


@functools.cache
def targets() -> dict[str, Target]:
    return {description["name"]: Target(description) for description in manifest()["targets"]}


@functools.cache
def line_in_manifest(target: str) -> int:
    """The line of Package.swift with the target's name."""
    for number, line in enumerate(text(pathlib.Path("Package.swift")).splitlines(), 1):
        if f'name: "{target}"' in line:
            return number
    return 1

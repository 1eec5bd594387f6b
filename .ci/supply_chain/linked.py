"""What a build has linked: the objects of Swift packages, and shared libraries."""

import functools
import json
import pathlib
import re
import subprocess

CHECKOUTS = pathlib.Path(".build/checkouts")
# The C library and the runtime of C++, which every program on Debian has.
SYSTEM_LIBRARY = re.compile(r"^(lib(c|m|gcc_s|stdc\+\+|pthread|dl|rt)\.so|ld-linux)")


@functools.cache
def resolved() -> dict[str, dict]:
    """Each fetched package: its identity, with `version`, `revision` and `location`."""
    state = json.loads(pathlib.Path(".build/workspace-state.json").read_text())
    return {
        item["packageRef"]["identity"]: {
            **item["state"]["checkoutState"], "location": item["packageRef"]["location"], "folder": item["subpath"]}
        for item in state["object"]["dependencies"]}


class Build:
    """A build of sts-bridge in `folder`, such as .build/debug."""

    def __init__(self, folder: str):
        self.folder = pathlib.Path(folder).resolve()
        self.program = self.folder / "sts-bridge"

    def objects(self) -> list[tuple[str, pathlib.Path]]:
        """The objects of packages that the linker received, each with the name of its module."""
        lines = (self.folder / "sts-bridge.product/Objects.LinkFileList").read_text().splitlines()
        found = []
        for line in lines:
            path = pathlib.Path(line.strip("'\""))
            module = re.search(r"/([^/]+)\.build/", str(path))
            if module and self._package(module[1]):
                found.append((module[1], path))
        return found

    def modules(self) -> dict[str, set[str]]:
        """The modules of each linked package."""
        found: dict[str, set[str]] = {}
        for module in {module for module, _ in self.objects()}:
            found.setdefault(self._package(module), set()).add(module)
        return found

    @functools.cache
    def _package(self, module: str) -> str | None:
        """The package that a module belongs to; None: this one. Both kinds of files name the module's sources."""
        folder = self.folder / f"{module}.build"
        swift = folder / "output-file-map.json"
        if swift.exists():
            sources = " ".join(json.loads(swift.read_text()))
        else:
            sources = next(folder.rglob("*.c.d")).read_text()
        match = re.search(r"/checkouts/([^/]+)/", sources)
        folders = {item["folder"]: identity for identity, item in resolved().items()}
        return folders[match[1]] if match else None

    def libraries(self) -> dict[str, pathlib.Path]:
        """The shared libraries that the program names, apart from the C library and the runtime of C++."""
        paths = shared_libraries(self.program)
        return {name: paths[name] for name in needed(self.program) if not SYSTEM_LIBRARY.match(name)}


def needed(program: pathlib.Path) -> list[str]:
    """The shared libraries that a program or library names itself."""
    text = subprocess.check_output(["readelf", "-d", program], text=True)
    return re.findall(r"\(NEEDED\).*\[(.+)\]", text)


def shared_libraries(program: pathlib.Path) -> dict[str, pathlib.Path]:
    """All shared libraries that the dynamic linker loads for a program."""
    text = subprocess.check_output(["ldd", program], text=True)
    return {name: pathlib.Path(path).resolve() for name, path in re.findall(r"^\s*(\S+) => (/\S+)", text, re.M)}


def is_swift_library(path: pathlib.Path) -> bool:
    """Whether a library belongs to the Swift toolchain."""
    return "/lib/swift/" in str(path)

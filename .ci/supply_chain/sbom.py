"""The bill of materials of a release build, as CycloneDX 1.6: https://cyclonedx.org/docs/1.6/json/

It has no time and no serial number, and all lists are sorted, so the same build gives the same text."""

import json
import pathlib
import re
import subprocess

from . import linked, table

LICENSES = [("Apache-2.0", "Apache License"), ("MIT", "Permission is hereby granted, free of charge")]


def bill(build: linked.Build) -> dict:
    version = _first(r'current = "(.*)"', "Sources/Program/Daemon/Version.swift")
    toolchain = re.search(r"Swift version (\S+)", _run("swift", "--version"))[1]
    program = _component("application", "sts-bridge", version, f"pkg:generic/sts-bridge@{version}", license="Apache-2.0")
    swift = _component("library", "swift", toolchain, f"pkg:generic/swift@{toolchain}", license="Apache-2.0")
    swift["description"] = "standard library, Foundation and libdispatch, linked statically"
    packages = {name: _package(name) for name in build.modules()}
    edges: dict[str, set[str]] = {program["bom-ref"]: {swift["bom-ref"]}, swift["bom-ref"]: set()}
    for name, component in packages.items():
        edges.setdefault(component["bom-ref"], set())
        for dependent in table.dependents()[name]:
            source = program if dependent == "Package.swift" else packages.get(dependent)
            if source:
                edges.setdefault(source["bom-ref"], set()).add(component["bom-ref"])
    debian = _debian(build.program, program["bom-ref"], edges)
    components = sorted([swift, *packages.values(), *debian], key=lambda component: component["bom-ref"])
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "metadata": {"component": program},
        "components": components,
        "dependencies": [{"ref": ref, "dependsOn": sorted(edges[ref])} for ref in sorted(edges)]}


def _component(kind: str, name: str, version: str, purl: str, license: str | None = None) -> dict:
    component = {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if license:
        component["licenses"] = [{"license": {"id": license}}]
    return component


def _package(name: str) -> dict:
    """A Swift package, with the commit that was built."""
    item = linked.resolved()[name]
    place = item["location"].removeprefix("https://").removesuffix(".git")
    component = _component("library", name, item["version"], f"pkg:swift/{place}@{item['version']}", _license(item))
    component["externalReferences"] = [{"type": "vcs", "url": item["location"], "comment": f"commit {item['revision']}"}]
    return component


def _license(item: dict) -> str:
    text = " ".join(next((linked.CHECKOUTS / item["folder"]).glob("LICENSE*")).read_text().split())
    return next(name for name, words in LICENSES if words in text)


def _debian(program: pathlib.Path, ref: str, edges: dict[str, set[str]]) -> list[dict]:
    """The packages of Debian with the shared libraries that the program loads, and how they depend on one another."""
    paths = linked.shared_libraries(program)
    owners = {name: _owner(path) for name, path in paths.items()}
    components = {}
    for package, version, source in {owner for owner in owners.values()}:
        purl = f"pkg:deb/debian/{package}@{version.replace('+', '%2B').replace(':', '%3A')}?arch={_architecture()}"
        components[package] = _component("library", package, version, purl)
        components[package]["properties"] = [{"name": "debian:source", "value": source}]
        edges.setdefault(purl, set())
    for user, path in [(ref, program), *((components[owners[name][0]]["bom-ref"], path) for name, path in paths.items())]:
        for name in linked.needed(path):
            if name in owners:
                edges[user] |= {components[owners[name][0]]["bom-ref"]} - {user}
    return list(components.values())


def _owner(path: pathlib.Path) -> tuple[str, str, str]:
    """The package, version and source package that a library belongs to."""
    # dpkg knows a file below /lib by that name, although /lib is a link to /usr/lib.
    for name in (str(path), str(path).removeprefix("/usr")):
        found = subprocess.run(["dpkg-query", "--search", name], capture_output=True, text=True).stdout
        if found:
            package = found.split(":")[0]
            fields = _run("dpkg-query", "--show", "--showformat=${Version} ${source:Package}", f"{package}:{_architecture()}")
            return package, *fields.split()
    raise SystemExit(f"no package of Debian has {path}")


def _architecture() -> str:
    return _run("dpkg", "--print-architecture").strip()


def _first(pattern: str, path: str) -> str:
    return re.search(pattern, pathlib.Path(path).read_text())[1]


def _run(*command: str) -> str:
    return subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL)


def write(build: linked.Build, path: pathlib.Path):
    path.write_text(json.dumps(bill(build), indent=2) + "\n")

"""Rules on folders, modules and their imports."""

import pathlib

from . import files

# In the order of the data's way. A module imports modules of its own folder and of folders before it.
LAYERS = ["Standards", "Discovery", "Policies", "Serving", "Host", "Program"]

# Modules that decide without doing: no log, no metrics, no services, no input or output.
PURE_FOLDERS = {"Standards"}
PURE_MODULES = {"Discovery", "PolicyCaching"}
EFFECTS = {
    "Logging", "Metrics", "ServiceLifecycle", "UnixSignals", "NIOPosix", "GRDB", "Hummingbird", "HummingbirdCore",
    "AsyncHTTPClient",
}
# The API's models and client know neither the server nor the service behind it.
FORBIDDEN = {"AdminAPI": {"Hummingbird", "HummingbirdCore", "PolicyRuntime", "AdminServer"}}

LARGEST_FOLDER = 15


def layers():
    """The six folders are layers, and imports run in one direction. Reads Package.swift; check-imports compares it with
    what the files import."""
    for target in files.targets().values():
        if target.path.parts[0] != "Sources":
            continue
        at = "Package.swift", files.line_in_manifest(target.name)
        if target.folder not in LAYERS:
            yield *at, f"target {target.name} is in {target.path}, which is in none of the folders {', '.join(LAYERS)}"
            continue
        for name in target.targets:
            other = files.targets()[name]
            if other.folder not in LAYERS or LAYERS.index(other.folder) > LAYERS.index(target.folder):
                yield *at, f"{target.name} ({target.folder}) imports {name} ({other.folder}), a later layer"
        forbidden = set(FORBIDDEN.get(target.name, set()))
        if target.folder in PURE_FOLDERS or target.name in PURE_MODULES:
            forbidden |= EFFECTS
        for name in sorted(forbidden & {*target.products, *target.targets}):
            yield *at, f"{target.name} declares {name}, which this module must not use"
    for folder in sorted(pathlib.Path("Sources").iterdir()):
        if folder.name not in LAYERS:
            yield folder, 1, f"only {', '.join(LAYERS)} stand in Sources"


def folder_size():
    """No folder has more than 15 Swift files of its own."""
    sizes: dict[pathlib.Path, int] = {}
    for path in files.swift_files():
        sizes[path.parent] = sizes.get(path.parent, 0) + 1
    for folder, size in sizes.items():
        if size > LARGEST_FOLDER:
            yield folder, 1, f"{size} Swift files, at most {LARGEST_FOLDER}"

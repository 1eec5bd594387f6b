"""The time of a clean release build."""

import pathlib
import shutil
import subprocess
import tempfile
import time


def measure(repository: pathlib.Path) -> float:
    """Builds a copy of the sources in an empty directory, and returns the seconds without the download of dependencies."""
    with tempfile.TemporaryDirectory(prefix="sts-bridge-build-") as directory:
        copy = pathlib.Path(directory, "sts-bridge")
        shutil.copytree(repository, copy, ignore=shutil.ignore_patterns(".build", ".git", ".run"))
        subprocess.run(["swift", "package", "resolve"], cwd=copy, check=True)
        started = time.monotonic()
        subprocess.run(["swift", "build", "--configuration", "release", "--static-swift-stdlib", "--product", "sts-bridge"],
                       cwd=copy, check=True)
        return time.monotonic() - started

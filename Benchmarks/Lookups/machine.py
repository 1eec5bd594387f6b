"""The machine and the commit of a run."""

import datetime
import os
import pathlib
import platform
import re
import subprocess


def describe(repository: pathlib.Path, binary: pathlib.Path) -> dict:
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(repository),
        "binary": str(binary.relative_to(repository)) if binary.is_relative_to(repository) else str(binary),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memoryOctets": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
        "loadBefore": os.getloadavg()[0],
    }


def file_name(machine: dict) -> str:
    """`2026-11-29-amd-epyc-2-cores`, without the suffix."""
    processor = re.sub(r"[^a-z0-9]+", "-", machine["processor"].lower()).strip("-")
    return f"{machine['date'][:10]}-{processor}-{machine['cores']}-cores"


def _processor() -> str:
    names = re.findall(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return names[0].strip() if names else platform.machine()


def _commit(repository: pathlib.Path) -> str:
    def git(*arguments):
        command = ["git", "-c", "safe.directory=*", "-C", repository, *arguments]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "Sources", "Package.swift", "Package.resolved")
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + (" and local changes" if changed else "")

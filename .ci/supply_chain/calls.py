"""Which dependency opens a socket, reads the environment, loads code or starts a program: by the symbols that it needs.

A dependency can do so only by a function of the C library, of Foundation or of SwiftNIO. The linker knows each use as an
undefined symbol, in whatever language the dependency is written. The debug build is best: there, the compiler moves no code
from one file to another."""

import collections
import pathlib
import re
import subprocess

from . import linked

PERMITTED = pathlib.Path(__file__).with_name("permitted-calls.txt")
C_FUNCTIONS = set("""
    socket socketpair connect bind listen accept accept4
    getaddrinfo getnameinfo gethostbyname gethostbyname2 gethostbyname_r gethostbyname2_r gethostbyaddr gethostbyaddr_r
    res_init res_ninit res_query res_nquery res_search res_nsearch
    getenv secure_getenv setenv putenv unsetenv clearenv environ __environ _environ
    dlopen dlmopen dlsym dlvsym
    fork vfork execl execle execlp execv execve execvp execvpe posix_spawn posix_spawnp popen system
    syscall""".split())
# Mangled names of Swift.
SWIFT_FUNCTIONS = {
    "ProcessInfo.environment": re.compile(r"ProcessInfoC11environment"),
    "Foundation.Process": re.compile(r"10Foundation7ProcessC"),
    "FoundationNetworking": re.compile(r"20FoundationNetworking"),
    "NIO bootstrap": re.compile(r"8NIOPosix\d+(Server|Client|Datagram|RawSocket|Pipe)Bootstrap\w*(connect|bind|cfC|fC)"),
}


def permitted() -> dict[tuple[str, str], int]:
    """Each permitted place and call, with its line. A line is `PLACE: CALL, CALL -> REASON`."""
    found = {}
    for number, line in enumerate(PERMITTED.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r"(\S+): (\S[^>]*\S) -> (\S+ \S+ \S.*)", line)
        if not match:
            raise SystemExit(f"{PERMITTED}:{number}: not PLACE: CALL, CALL -> REASON of three words or more")
        for call in match[2].split(", "):
            found[match[1], call] = number
    return found


def made(build: linked.Build) -> set[tuple[str, str]]:
    """Each place that calls a watched function: MODULE/FILE of a package, or the name of a library."""
    places = {str(path): f"{module}/{path.name.removesuffix('.o')}" for module, path in build.objects()}
    found = _undefined(places, [])
    return found | _undefined({str(path): name for name, path in build.libraries().items()}, ["--dynamic"])


def _undefined(places: dict[str, str], options: list[str]) -> set[tuple[str, str]]:
    output = subprocess.check_output(["nm", "--print-file-name", "--undefined-only", *options, *places], text=True)
    found = set()
    for line in output.splitlines():
        path, symbol = re.fullmatch(r"(.*):\s+\w (\S+)", line).groups()
        found |= {(places[path], call) for call in _watched(symbol.split("@")[0])}
    return found


def _watched(symbol: str) -> list[str]:
    if symbol in C_FUNCTIONS:
        return [symbol]
    return [name for name, pattern in SWIFT_FUNCTIONS.items() if pattern.search(symbol)]


def failures(build: linked.Build):
    """Each call without a permission, and each permission without a call."""
    allowed, found = permitted(), made(build)
    for place, call in sorted(found - set(allowed)):
        yield f"{place} calls {call}: read the code, and add it to {PERMITTED.name} with a reason, or remove the dependency"
    for place, call in sorted(set(allowed) - found):
        yield f"{PERMITTED.name}:{allowed[place, call]}: {place} does not call {call} any more"

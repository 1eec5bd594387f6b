"""The programs that a run measures, and the C programs that measure them."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

from process import BenchError, Server

SOURCES = pathlib.Path(__file__).resolve().parent / "Programs"
LIBRARIES = {"load_generator": [], "echo_server": [], "first_lookup_client": ["-pthread", "-lcurl"]}
LIMIT_PORT, BRIDGE_PORT, PYTHON_PORT, GO_PORT = 9101, 9102, 9103, 9104
PYTHON_PEER, GO_PEER, BRIDGE = "postfix-mta-sts-resolver", "postfix-tlspol", "sts-bridge"


# MARK: C programs

def compile_programs(directory: pathlib.Path):
    """Compiles the C programs into `directory`, without warnings."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, libraries in LIBRARIES.items():
        sources = [SOURCES / f"{part}.c" for part in (name, "histogram", "address")]
        subprocess.run(["cc", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o", directory / name, *sources,
                        *libraries], check=True)


class Tools:
    """Runs the C programs and returns their JSON."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory

    def load(self, port: int, keys: pathlib.Path, *, cpu: int | None = None, **options) -> dict:
        """`options` are those of load_generator, with underscores; `check=True` has no value."""
        command = [self.directory / "load_generator", "--address", f"127.0.0.1:{port}", "--keys", keys]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)])
        result = self._run(command if cpu is None else ["taskset", "--cpu-list", str(cpu), *command])
        if result["replies"]["OK"] < result["requests"]:
            raise BenchError(f"port {port} replied {result['replies']}; an example is {result['sample']}")
        return result

    def first_lookups(self, kind: str, keys: pathlib.Path, *, ca: pathlib.Path, threads: int) -> dict:
        client = self.directory / "first_lookup_client"
        return self._run([client, kind, "127.0.0.53:53", ca, keys, str(threads)])

    def _run(self, command: list) -> dict:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchError(f"{' '.join(map(str, command))} failed: {done.stderr.strip() or done.stdout.strip()}")
        return json.loads(done.stdout)


# MARK: Programs under test

@dataclasses.dataclass(frozen=True)
class Program:
    """A program that a run measures: its executable, its port and its map name."""

    name: str
    executable: pathlib.Path
    port: int
    map_name: str = "QUERY"


def install_python_peer(directory: pathlib.Path) -> pathlib.Path | None:
    """Installs postfix-mta-sts-resolver with pip. Returns its program, or None if pip cannot."""
    daemon = directory / "bin/mta-sts-daemon"
    if daemon.exists():
        return daemon
    try:
        subprocess.run([sys.executable, "-m", "venv", directory], check=True, capture_output=True)
        subprocess.run([directory / "bin/pip", "install", "--quiet", PYTHON_PEER], check=True, timeout=180,
                       capture_output=True)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{PYTHON_PEER}: not installed ({error})", file=sys.stderr)
        return None
    return daemon if daemon.exists() else None


def programs(bridge: pathlib.Path, tools: pathlib.Path, python: pathlib.Path, go: pathlib.Path | None) -> dict:
    """The installed programs, by name."""
    found = [Program("limit", tools / "echo_server", LIMIT_PORT), Program(BRIDGE, bridge, BRIDGE_PORT)]
    if python.exists():
        found.append(Program(PYTHON_PEER, python, PYTHON_PORT, "postfix"))
    if go is not None and go.exists():
        found.append(Program(GO_PEER, go, GO_PORT))
    return {program.name: program for program in found}


class Starter:
    """Starts programs in a directory of their own."""

    def __init__(self, directory: pathlib.Path, ca: pathlib.Path, trust_anchor: pathlib.Path):
        self.directory, self.ca, self.trust_anchor = directory, ca, trust_anchor

    def start(self, program: Program, *, cpu: int | None = None, dane: bool = False, database: pathlib.Path | None = None,
              ready: bool = True) -> Server:
        """Starts a program with an empty cache, or sts-bridge with the policies in `database`.

        Without `ready`, returns before it listens.
        """
        directory = self.directory / program.name
        directory.mkdir(parents=True, exist_ok=True)
        environment = {"PATH": os.environ["PATH"], "SSL_CERT_FILE": str(self.ca)}
        if program.name == BRIDGE:
            environment |= self._bridge_settings(directory, dane=dane, database=database)
            command = [program.executable, "serve"]
        elif program.name == PYTHON_PEER:
            command = [program.executable, "-v", "warn", "-c", self._python_configuration(directory)]
        elif program.name == GO_PEER:
            command = [program.executable, "-config", self._go_configuration(directory)]
        else:
            command = [program.executable, f"127.0.0.1:{program.port}"]
        server = Server(command, directory / "log", cpu=cpu, environment=environment)
        if ready:
            server.wait_for_port(program.port)
        return server

    def bridge_environment(self, database: pathlib.Path) -> dict:
        """For a command of sts-bridge that uses `database`."""
        return {"PATH": os.environ["PATH"], "STS_BRIDGE_CACHE_PATH": str(database)}

    def _bridge_settings(self, directory: pathlib.Path, *, dane: bool, database: pathlib.Path | None) -> dict:
        if database is None:
            database = directory / "policies.sqlite"
            for path in directory.glob("policies.sqlite*"):
                path.unlink()
        return {
            "STS_BRIDGE_LISTEN_SOCKETMAP": f"127.0.0.1:{BRIDGE_PORT}", "STS_BRIDGE_LISTEN_TCP_TABLE": "",
            "STS_BRIDGE_LISTEN_MAX_CONNECTIONS": "12000", "STS_BRIDGE_ADMIN_SOCKET": "",
            "STS_BRIDGE_CACHE_PATH": str(database), "STS_BRIDGE_POSTFIX_DANE": "on" if dane else "off",
            "STS_BRIDGE_POSTFIX_SECURITY_LEVEL": "may", "STS_BRIDGE_POSTFIX_VERSION": "3.7",
            "STS_BRIDGE_DNS_DNSSEC": "on" if dane else "auto",
            "STS_BRIDGE_DNS_TRUST_ANCHOR_FILE": str(self.trust_anchor), "STS_BRIDGE_FETCH_CA_FILE": str(self.ca),
            "STS_BRIDGE_FETCH_ALLOW_NETWORKS": "127.0.0.0/8", "STS_BRIDGE_LOG_LEVEL": "warning",
        }

    def _python_configuration(self, directory: pathlib.Path) -> pathlib.Path:
        path = directory / "mta-sts-daemon.yml"
        path.write_text(f"host: 127.0.0.1\nport: {PYTHON_PORT}\ncache:\n  type: internal\n  options:\n"
                        "    cache_size: 10000\ndefault_zone:\n  strict_testing: false\n  timeout: 30\n")
        return path

    def _go_configuration(self, directory: pathlib.Path) -> pathlib.Path:
        path, cache = directory / "config.yaml", directory / "cache.db"
        cache.unlink(missing_ok=True)
        path.write_text(f"server:\n  address: 127.0.0.1:{GO_PORT}\n  log-level: warn\n  prefetch: false\n"
                        f"  cache-file: {cache}\ndns:\n  address: 127.0.0.53:53\n")
        return path

"""Resident memory: idle, for each policy, for each connection."""

import contextlib
import socket

import policies
import world
from programs import BRIDGE, Program
from run import Run

IDLE_CONNECTIONS = 10_000
BATCH = 100


def measure(run: Run):
    """One value for each program: memory varies little between rounds."""
    run.note(f"memory, {run.policies} policies and {IDLE_CONNECTIONS} idle connections")
    run.rows.declare("memoryIdle", "resident memory, idle", "MB")
    run.rows.declare("memoryConnection", f"each of {IDLE_CONNECTIONS:,} idle connections", "octets")
    run.rows.declare("memoryLoaded", f"resident memory, {run.policies:,} policies, after the start", "MB")
    run.rows.declare("memoryUsed", f"resident memory, {run.policies:,} policies, after a lookup of each", "MB")
    run.rows.declare("memoryPolicy", "each of these policies", "octets")
    for name, program in run.programs.items():
        _measure_idle(run, name, program)
    _measure_policies(run)


def _measure_idle(run: Run, name: str, program: Program):
    server = run.starter.start(program)
    try:
        idle = server.settled_memory()
        run.rows.add("memoryIdle", name, idle / 1e6)
        # A key that can have no policy, so that no lookup needs DNS.
        with _idle_connections(program, ".example"):
            run.rows.add("memoryConnection", name, (server.settled_memory() - idle) / IDLE_CONNECTIONS)
    finally:
        server.end()


@contextlib.contextmanager
def _idle_connections(program: Program, key: str):
    """Connections that have had one reply each. Batches are shorter than a listen queue."""
    payload = f"{program.map_name} {key}".encode()
    request = b"%d:%s," % (len(payload), payload)
    with contextlib.ExitStack() as stack:
        for _ in range(IDLE_CONNECTIONS // BATCH):
            batch = [stack.enter_context(socket.create_connection(("127.0.0.1", program.port), 30)) for _ in range(BATCH)]
            for connection in batch:
                connection.sendall(request)
            for connection in batch:
                connection.recv(4096)
        yield


def _measure_policies(run: Run):
    program = run.programs[BRIDGE]
    database = run.directory / "memory.sqlite"
    policies.fill(database, run.policies, program, run.starter)
    keys = world.write_keys(run.directory / "memory.keys", range(run.policies))
    server = run.starter.start(program, database=database)
    try:
        run.rows.add("memoryLoaded", BRIDGE, server.settled_memory(seconds=120) / 1e6)
        run.tools.load(program.port, keys, connections=32, requests=run.policies, order="sequential", seconds=120)
        used = server.settled_memory()
        run.rows.add("memoryUsed", BRIDGE, used / 1e6)
        idle = run.rows.rows["memoryIdle"].median(BRIDGE) * 1e6
        run.rows.add("memoryPolicy", BRIDGE, (used - idle) / run.policies)
    finally:
        server.end()

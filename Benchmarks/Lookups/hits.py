"""Lookups of cached policies: replies per second, processor time and latency."""

import policies
import world
from programs import BRIDGE
from run import Run

DOMAINS = 10_000
SERVER_CPU, LOAD_CPU = 0, 1
# Peers have no import. They get the domains of the test network by lookups.
PEER_DOMAINS = world.DOMAINS


def measure(run: Run):
    """One server has core 0, the load generator core 1. All servers run from the start; only one has load at a time."""
    run.rows.declare("hits64", "hits, 64 connections", "1/s", higher_is_better=True)
    run.rows.declare("hits512", "hits, 512 connections", "1/s", higher_is_better=True)
    run.rows.declare("hitProcessor", "processor time of the server for each hit", "µs")
    run.rows.declare("hitsPipelined", "hits, 8 connections with 32 requests each", "1/s", higher_is_better=True)
    run.rows.declare("hitP99", "p99 of a hit, 64 connections", "ms")
    all_keys = world.write_keys(run.directory / "hits.keys", range(DOMAINS))
    peer_keys = world.write_keys(run.directory / "hits-of-peers.keys", range(PEER_DOMAINS))
    database = run.directory / "hits.sqlite"
    policies.fill(database, DOMAINS, run.programs[BRIDGE], run.starter)
    servers = {}
    try:
        for name, program in run.programs.items():
            keys = all_keys if name in ("limit", BRIDGE) else peer_keys
            stored = database if name == BRIDGE else None
            servers[name] = run.starter.start(program, cpu=SERVER_CPU, database=stored), program, keys
            run.tools.load(program.port, keys, map=program.map_name, connections=32, order="sequential",
                           requests=DOMAINS if keys is all_keys else PEER_DOMAINS, seconds=90)
        for _ in run.rounds("hits"):
            for name, (server, program, keys) in servers.items():
                _measure_one(run, name, server, program, keys)
    finally:
        for server, _, _ in servers.values():
            server.end()


def _measure_one(run: Run, name: str, server, program, keys):
    def load(seconds: int, **options):
        return run.tools.load(program.port, keys, cpu=LOAD_CPU, map=program.map_name, seconds=seconds, warmup_ms=300,
                              **options)

    before = server.processor_time()
    lockstep = load(3, connections=64)
    run.rows.add("hitProcessor", name, (server.processor_time() - before) / lockstep["answered"] * 1e6)
    run.rows.add("hits64", name, lockstep["perSecond"])
    run.rows.add("hitP99", name, lockstep["p99"] / 1000)
    run.rows.add("hits512", name, load(2, connections=512)["perSecond"])
    run.rows.add("hitsPipelined", name, load(2, connections=8, depth=32)["perSecond"])

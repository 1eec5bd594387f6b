"""Lookups of domains that are not cached: DNS and HTTPS included."""

import world
from programs import BRIDGE, GO_PEER, PYTHON_PEER
from run import Run

CONCURRENT, SINGLE = 1_700, 300
CONNECTIONS = 64


def measure(run: Run):
    """Each round starts each program with an empty cache. No program is pinned to a core."""
    run.rows.declare("dnsServer", "the test network's DNS, queries", "1/s", higher_is_better=True)
    run.rows.declare("first64", "first lookups, 64 connections, MTA-STS only", "1/s", higher_is_better=True)
    run.rows.declare("first64DANE", "first lookups, 64 connections, with DANE", "1/s", higher_is_better=True)
    run.rows.declare("firstProcessor", "processor time for each first lookup, 1 connection", "ms")
    run.rows.declare("firstProcessorDANE", "the same with DANE", "ms")
    run.rows.declare("firstLatency", "latency of a first lookup, 1 connection, median", "ms")
    run.rows.declare("firstAdded", "latency added to the bare queries and transfer", "ms")
    keys = (world.write_keys(run.directory / "first-64.keys", range(CONCURRENT)),
            world.write_keys(run.directory / "first-1.keys", range(CONCURRENT, CONCURRENT + SINGLE)))
    # Afterwards unbound has all names in its cache.
    for path in keys:
        run.tools.first_lookups("dns", path, ca=run.ca, threads=CONNECTIONS)
    for _ in run.rounds("first lookups"):
        queries = run.tools.first_lookups("dns", keys[0], ca=run.ca, threads=CONNECTIONS)
        run.rows.add("dnsServer", "limit", queries["perSecond"] * 4)
        _measure_limit(run, keys, dane=False)
        for name in (BRIDGE, PYTHON_PEER):
            _measure_program(run, name, keys, dane=False)
        _measure_limit(run, keys, dane=True)
        for name in (BRIDGE, GO_PEER):
            _measure_program(run, name, keys, dane=True)


def _measure_limit(run: Run, keys, *, dane: bool):
    kind = "dane" if dane else "policy"
    concurrent = run.tools.first_lookups(kind, keys[0], ca=run.ca, threads=CONNECTIONS)
    single = run.tools.first_lookups(kind, keys[1], ca=run.ca, threads=1)
    _add(run, "limit", concurrent, single, single["cpu"] / SINGLE, dane=dane)


def _measure_program(run: Run, name: str, keys, *, dane: bool):
    if name not in run.programs:
        return
    program = run.programs[name]
    server = run.starter.start(program, dane=dane)

    def load(path, connections: int, count: int):
        return run.tools.load(program.port, path, map=program.map_name, connections=connections, requests=count,
                              order="sequential", seconds=60)

    try:
        concurrent = load(keys[0], CONNECTIONS, CONCURRENT)
        before = server.processor_time()
        single = load(keys[1], 1, SINGLE)
        _add(run, name, concurrent, single, (server.processor_time() - before) / SINGLE, dane=dane)
    finally:
        server.end()


def _add(run: Run, name: str, concurrent: dict, single: dict, processor: float, *, dane: bool):
    suffix = "DANE" if dane else ""
    run.rows.add("first64" + suffix, name, concurrent["perSecond"])
    run.rows.add("firstProcessor" + suffix, name, processor * 1000)
    if dane:
        return
    latency = single["p50"] / 1000
    run.rows.add("firstLatency", name, latency)
    if name != "limit":
        run.rows.add("firstAdded", name, latency - run.rows.rows["firstLatency"].values["limit"][-1])

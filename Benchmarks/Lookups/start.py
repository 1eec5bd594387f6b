"""The time from the start of a process to its first reply."""

import time

import policies
import world
from process import look_up
from programs import BRIDGE, Program
from run import Run

STORED = 100_000
# A key that can have no policy, so that the reply needs no DNS.
NO_POLICY_KEY = ".example"


def measure(run: Run):
    """Twice the rounds of other groups, because a start is short."""
    run.rows.declare("startEmpty", "start to first reply, empty cache", "ms")
    run.rows.declare("startStored", f"start to first reply, {STORED:,} stored policies", "ms")
    database = run.directory / "start.sqlite"
    policies.fill(database, STORED, run.programs[BRIDGE], run.starter)
    for _ in run.rounds("start"):
        for _ in range(2):
            for name, program in run.programs.items():
                run.rows.add("startEmpty", name, _start(run, program, NO_POLICY_KEY, database=None))
            # The limit has no policies: its start is the same.
            run.rows.add("startStored", "limit", _start(run, run.programs["limit"], NO_POLICY_KEY, database=None))
            stored = _start(run, run.programs[BRIDGE], world.domain(STORED - 1), database=database)
            run.rows.add("startStored", BRIDGE, stored)


def _start(run: Run, program: Program, key: str, *, database) -> float:
    """Milliseconds from the start of the process to the reply."""
    server = run.starter.start(program, database=database, ready=False)
    try:
        look_up(program.port, key, name=program.map_name)
        return (time.monotonic() - server.started) * 1000
    finally:
        server.end()

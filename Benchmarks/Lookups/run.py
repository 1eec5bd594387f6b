"""What all groups of a run share."""

import dataclasses
import pathlib
import sys
import time

from programs import Program, Starter, Tools
from rows import Rows


@dataclasses.dataclass
class Run:
    """One run: its programs, its test network and its rows."""

    directory: pathlib.Path
    ca: pathlib.Path
    programs: dict[str, Program]
    starter: Starter
    tools: Tools
    number_of_rounds: int
    policies: int
    rows: Rows = dataclasses.field(default_factory=Rows)
    started: float = dataclasses.field(default_factory=time.monotonic)

    def rounds(self, group: str):
        """Yields the number of each round, and prints it."""
        for number in range(1, self.number_of_rounds + 1):
            self.note(f"{group}, round {number} of {self.number_of_rounds}")
            yield number

    def note(self, text: str):
        print(f"[{time.monotonic() - self.started:5.0f} s] {text}", file=sys.stderr, flush=True)

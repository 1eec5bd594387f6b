"""The figures of a run: rows with one value for each round and program."""

import dataclasses
import statistics

LIMIT = "limit"


@dataclasses.dataclass
class Row:
    """One row of the table. `values` has the values of each program, in the order of the rounds."""

    key: str
    title: str
    unit: str
    higher_is_better: bool = False
    values: dict[str, list[float]] = dataclasses.field(default_factory=dict)

    def add(self, program: str, value: float):
        self.values.setdefault(program, []).append(value)

    def median(self, program: str) -> float | None:
        return statistics.median(self.values[program]) if self.values.get(program) else None

    def ratio(self, program: str) -> tuple[float, float, float] | None:
        """Median, minimum and maximum of the ratios to the limit of the same round; None without a limit."""
        limits = self.values.get(LIMIT)
        if program == LIMIT or not limits or not self.values.get(program):
            return None
        ratios = [value / limit for value, limit in zip(self.values[program], limits) if limit > 0]
        return (statistics.median(ratios), min(ratios), max(ratios)) if ratios else None

    def as_json(self) -> dict:
        programs = {}
        for program, values in self.values.items():
            programs[program] = {"median": self.median(program), "minimum": min(values), "maximum": max(values),
                                 "rounds": values}
            if ratio := self.ratio(program):
                programs[program]["ratioToLimit"] = dict(zip(("median", "minimum", "maximum"), ratio))
        return {"key": self.key, "title": self.title, "unit": self.unit, "higherIsBetter": self.higher_is_better,
                "programs": programs}


class Rows:
    """The rows of a run, in the order in which they are declared."""

    def __init__(self):
        self.rows: dict[str, Row] = {}

    def declare(self, key: str, title: str, unit: str, *, higher_is_better: bool = False):
        self.rows[key] = Row(key, title, unit, higher_is_better)

    def add(self, key: str, program: str, value: float):
        self.rows[key].add(program, value)

    def __iter__(self):
        return (row for row in self.rows.values() if row.values)

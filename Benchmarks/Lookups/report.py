"""The result of a run as a table and as JSON."""

import json
import pathlib

from rows import LIMIT, Row


def table(rows: list[Row], machine: dict) -> str:
    """A Markdown table: the median of each program, and the ratio to the limit with its range."""
    programs = [LIMIT] + [name for name in machine["programs"] if name != LIMIT]
    header = ["", "unit"]
    for name in programs:
        header += [name] if name == LIMIT else [name, "to limit"]
    lines = [header, ["---"] * len(header)]
    for row in rows:
        lines.append([row.title, row.unit] + [cell for name in programs for cell in _cells(row, name)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines)


def _cells(row: Row, program: str) -> list[str]:
    median = row.median(program)
    value = "–" if median is None else number(median)
    if program == LIMIT:
        return [value]
    ratio = row.ratio(program)
    return [value, "–" if ratio is None else "{:.2f} ({:.2f}–{:.2f})".format(*ratio)]


def number(value: float) -> str:
    """Three significant digits, thousands with commas."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def summary(machine: dict) -> str:
    absent = [f"{name}: not installed" for name in machine["notInstalled"]]
    rounds = f"{machine['rounds']} interleaved rounds, " if machine.get("rounds") else ""
    line = (f"{machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}, {machine['date'][:10]}, "
            f"commit {machine['commit']}, {rounds}load before the run {machine['loadBefore']:.1f}")
    return "\n".join([line, *absent])


def write(path: pathlib.Path, rows: list[Row], machine: dict):
    document = {"machine": machine, "rows": [row.as_json() for row in rows]}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")

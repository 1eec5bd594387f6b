"""The ratios of a run as an SVG plot."""

import html
import math
import pathlib

from report import summary
from rows import LIMIT, Row

WIDTH, LEFT, RIGHT, TOP = 980, 400, 90, 92
BAR, GAP = 14, 12
COLORS = {"sts-bridge": "#1f6feb", "postfix-mta-sts-resolver": "#d29922", "postfix-tlspol": "#8250df"}


def write(path: pathlib.Path, rows: list[Row], machine: dict):
    """One bar for each program and row that has a limit. A bar to the right is better: 1 is the limit.

    The scale is logarithmic. Thin lines are the range over all rounds.
    """
    bars = [(row, [(name, _score(row, name)) for name in COLORS if row.ratio(name)]) for row in rows]
    bars = [(row, scores) for row, scores in bars if scores]
    smallest = min((score[1] for _, scores in bars for _, score in scores), default=0.1)
    largest = max((score[2] for _, scores in bars for _, score in scores), default=1)
    scale = _Scale(smallest, largest)
    body, y = [], TOP
    for row, scores in bars:
        body.append(_text(LEFT - 10, y + len(scores) * BAR / 2 + 4, row.title, anchor="end"))
        for name, score in scores:
            body += _bar(scale, y, name, score)
            y += BAR
        y += GAP
    path.write_text("\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 16}" font-family="sans-serif" '
        'font-size="12">', '<rect width="100%" height="100%" fill="white"/>',
        _text(10, 22, "Speed as a share of the limit on the same machine (logarithmic; right is better)", size=15),
        _text(10, 42, summary(machine).splitlines()[0], size=11), *_legend(), *_grid(scale, y), *body, "</svg>"]) + "\n")


def _score(row: Row, program: str) -> tuple[float, float, float]:
    """The ratio to the limit; inverted where less is better, so that 1 is the limit and less is slower."""
    median, minimum, maximum = row.ratio(program)
    if row.higher_is_better:
        return median, minimum, maximum
    return 1 / max(median, 1e-6), 1 / max(maximum, 1e-6), 1 / max(minimum, 1e-6)


class _Scale:
    """Positions of ratios, from a power of ten below the smallest to one above the largest or 1."""

    def __init__(self, smallest: float, largest: float):
        self.first = math.floor(math.log10(smallest))
        self.last = max(0, math.ceil(math.log10(largest) - 0.05))

    def x(self, ratio: float) -> float:
        share = (math.log10(ratio) - self.first) / (self.last - self.first or 1)
        return LEFT + max(0, min(1, share)) * (WIDTH - LEFT - RIGHT)


def _bar(scale: _Scale, y: float, name: str, score: tuple[float, float, float]) -> list[str]:
    median, minimum, maximum = score
    middle = y + BAR / 2 - 1
    return [
        f'<rect x="{LEFT}" y="{y}" width="{scale.x(median) - LEFT:.1f}" height="{BAR - 2}" fill="{COLORS[name]}"/>',
        f'<line x1="{scale.x(minimum):.1f}" x2="{scale.x(maximum):.1f}" y1="{middle}" y2="{middle}" stroke="black"/>',
        _text(max(scale.x(maximum), scale.x(median)) + 5, y + BAR - 4, f"{median:.2f}", size=11)]


def _grid(scale: _Scale, bottom: float) -> list[str]:
    lines = []
    for power in range(scale.first, scale.last + 1):
        x = scale.x(10.0 ** power)
        color = "#cf222e" if power == 0 else "#d0d7de"
        lines += [f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{bottom - GAP}" stroke="{color}"/>',
                  _text(x, TOP - 12, "limit" if power == 0 else f"{10.0 ** power:g}", anchor="middle", size=11)]
    return lines


def _legend() -> list[str]:
    parts, x = [], 10
    for name, color in COLORS.items():
        parts += [f'<rect x="{x}" y="52" width="12" height="12" fill="{color}"/>', _text(x + 18, 62, name)]
        x += 40 + 7 * len(name)
    return parts


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{html.escape(text)}</text>'

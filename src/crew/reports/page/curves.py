"""Lines of a chart: what was spent, or counted, over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from crew.journal import CallRecord

WIDTH, HEIGHT = 1000, 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line: its name, its colour's name, and its points in the box of the chart."""

    name: str
    colour: str
    points: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines over one stretch of time. `top` is the value at the upper edge; `begin`
    and `end` are in seconds since the epoch."""

    curves: tuple[Curve, ...]
    top: Decimal
    begin: float
    end: float
    steps: tuple[tuple[float, Decimal, Decimal], ...]


def spending(calls: Sequence[CallRecord], budget: Decimal | None) -> Chart | None:
    """What a run's calls cost, summed, beside all-senior and the run's budget; None
    without a call. A call of unknown cost adds nothing."""
    if not calls:
        return None
    cost = senior = Decimal(0)
    steps: list[tuple[float, Decimal, Decimal]] = []
    begin = min(call.at - call.seconds for call in calls)
    for call in sorted(calls, key=lambda call: call.at):
        cost += call.cost_usd or 0
        senior += (call.senior_usd or 0) if call.ok else 0
        steps.append((call.at, cost, senior))
    end = steps[-1][0]
    shown = [cost, senior]
    if budget is not None and budget <= 4 * max(cost, senior):
        shown.append(budget)
    top = max([*shown, Decimal("0.0001")]) * Decimal("1.08")
    lines = [
        ("all on the senior tier", "senior", [(at, all_) for at, _, all_ in steps]),
        ("spent", "spent", [(at, spent) for at, spent, _ in steps]),
    ]
    if len(shown) == 3 and budget is not None:
        lines.append(("budget of a run", "budget", [(begin, budget), (end, budget)]))
    return Chart(
        curves=tuple(
            Curve(name=name, colour=colour, points=_points(values, begin, end, top))
            for name, colour, values in lines
        ),
        top=top,
        begin=begin,
        end=end,
        steps=tuple(steps),
    )


def _points(
    values: Sequence[tuple[float, Decimal]], begin: float, end: float, top: Decimal
) -> str:
    """Steps: money is spent when a call ends, not between two."""
    length = max(end - begin, 0.001)
    found: list[str] = []
    before = f"{HEIGHT}"
    if values and values[0][0] <= begin:
        before = f"{_height(values[0][1], top):.1f}"
    found.append(f"0,{before}")
    for at, value in values:
        x = (at - begin) / length * WIDTH
        y = f"{_height(value, top):.1f}"
        found += [f"{x:.1f},{before}", f"{x:.1f},{y}"]
        before = y
    return " ".join(found)


def _height(value: Decimal, top: Decimal) -> float:
    return HEIGHT - float(value / top) * HEIGHT

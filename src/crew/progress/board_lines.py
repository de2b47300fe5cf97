"""The board of a run as lines for a terminal of some width and height."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from math import ceil

from crew.progress.board import AT_WORK, Board, TaskRow
from crew.progress.lines import Line, cut, short_count, short_money, short_time
from crew.texts.escapes import escape_control

FEWEST, NARROWEST = 5, 40
"""Lines and columns of the smallest board."""
_TONES = {
    "proved": "good",
    "passed": "good",
    "unproved": "notable",
    "failed": "bad",
    AT_WORK: "plain",
}


def board_lines(
    board: Board,
    *,
    width: int,
    height: int,
    now: datetime,
    seconds: float,
    budget: Decimal | None = None,
    keys: str = "",
) -> list[Line]:
    """At most `height` lines, each shorter than `width` columns. `seconds` is how long
    the run has lasted, `budget` the limit of money of a run in US dollars."""
    room = max(FEWEST, height) - (2 if keys else 1)
    lines = [Line(_head(board, seconds, budget), "notable")]
    rows = _rows(list(board.tasks.values()), room - len(board.waits))
    lines += [line for row in rows for line in _task(row, seconds)]
    for wait in board.waits.values():
        left = max(0, ceil((wait.until - now).total_seconds()))
        text = f"  {wait.role} waits {left} s for {wait.deployment}: {wait.reason}"
        lines.append(Line(text, "notable"))
    lines = lines[: room + 1]
    if keys:
        lines.append(Line(keys, "faint"))
    most = max(NARROWEST, width) - 1
    return [Line(cut(escape_control(line.text), most), line.tone) for line in lines]


def _head(board: Board, seconds: float, budget: Decimal | None) -> str:
    so_far = board.so_far
    money = short_money(so_far.cost_usd, so_far.known_cost_usd)
    if budget is not None:
        money += f" of ${budget:,.2f}"
    tokens = short_count(so_far.input_tokens + so_far.output_tokens)
    senior = board.senior_usd
    compared = "unknown" if senior is None else f"${senior:,.4f}"
    return (
        f"-- {short_time(seconds)}  {so_far.calls} calls  {tokens} tokens  {money}"
        f"  all senior: {compared} --"
    )


def _rows(tasks: Sequence[TaskRow], room: int) -> list[TaskRow]:
    """As many tasks as there is room for: those at work first, then the next to come,
    in their order."""
    if 2 * len(tasks) <= room:
        return list(tasks)
    order = sorted(tasks, key=lambda row: (not row.is_at_work, row.seconds is not None))
    kept = {row.name for row in order[: max(1, room // 2)]}
    return [row for row in tasks if row.name in kept]


def _task(row: TaskRow, seconds: float) -> list[Line]:
    sign = ">" if row.is_at_work else " "
    state = row.state
    if row.is_at_work and row.attempt > 1:
        state = f"attempt {row.attempt}"
    took = row.seconds
    if took is None and row.began is not None:
        took = max(0.0, seconds - row.began)
    time = "" if took is None else short_time(took)
    text = (
        f"{sign} {cut(row.name, 16):<16} {state:<10} {cut(row.role, 14):<14} "
        f"{cut(row.deployment, 16):<16} {time:>6} {short_count(row.tokens):>6}"
    )
    lines = [Line(text, _TONES.get(row.state, "faint"))]
    if row.is_at_work and (detail := _detail(row)):
        lines.append(Line(f"      {detail}", "faint"))
    return lines


def _detail(row: TaskRow) -> str:
    parts = [row.doing] if row.doing else []
    if row.checks:
        found = (
            f"{name} {'passed' if passed else 'FAILED'}"
            for name, passed in row.checks.items()
        )
        parts.append(f"checks: {', '.join(found)}")
    if row.step:
        parts.append(f"step {row.step}")
    if row.why:
        parts.append(f"as {row.why}")
    return "; ".join(parts)

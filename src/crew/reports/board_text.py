"""The board as text: for a terminal of some width and height, without colours."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import zip_longest
from math import ceil
from textwrap import wrap

from crew.journal import Spent
from crew.quota.limits import NANO, WindowKind
from crew.quota.store import PlanState
from crew.reports.allowances import Allowance
from crew.reports.amounts import duration, shown_usd
from crew.reports.board import Board

NARROWEST = 72
"""Columns of the table; a narrower terminal gets two lines for each limit."""
_BAR = 8
_GAP = "  "
_BLOCKS, _ASCII = ("█", "░"), ("#", ".")
_MOST_CLOSED = 5
"""How many pools that are closed or throttled are named above a table that is cut."""
_PINNED = 3
"""How many budgets stay when the fullest limits alone have room."""


def board_text(
    board: Board,
    *,
    plans: Mapping[str, PlanState] = {},
    notes: Sequence[str] = (),
    width: int = 80,
    height: int | None = None,
    blocks: bool = False,
) -> str:
    """How everything stands, what is nearest to its end first, in `width` columns and
    at most `height` lines, as long as one limit has room. `notes` stand at the end.
    `blocks`: bars are drawn, and not written in ASCII."""
    closed = [*_holds(board)]
    if height is not None and len(closed) > _MOST_CLOSED:
        more = f"and {len(closed) - _MOST_CLOSED} more are closed or throttled (--all)"
        closed = [*closed[:_MOST_CLOSED], more]
    head = [*_money(board), *_queue(board), *closed]
    foot = [*notes, *_plans(plans)]
    before = [*_wrapped(head, width), ""]
    after = ["", *_wrapped(foot, width)] if foot else []
    rows, count = board.allowances, len(board.allowances)
    if not rows:
        return "\n".join([*before, "No limit is set.", *after])
    while True:
        kept = _kept(rows, count)
        lines = [*before, *_table(kept, board.now, width, blocks)]
        if count < len(rows):
            lines.append(f"and {len(rows) - len(kept)} that are used less (--all)")
        lines += after
        if height is None or len(lines) <= height or count == 1:
            return "\n".join(line.rstrip() for line in lines)
        count = min(count - 1, height)


def _kept(rows: Sequence[Allowance], count: int) -> list[Allowance]:
    """The first rows; a budget in money stays before what is full for a minute."""
    budgets = [one for one in rows if one.is_budget][: min(_PINNED, count - 1)]
    others = [one for one in rows if one not in budgets][: count - len(budgets)]
    return [one for one in rows if one in budgets or one in others]


def _money(board: Board) -> Iterator[str]:
    amounts = [shown_usd(one.usd) for one in (board.today, board.month)]
    size = max(map(len, amounts))
    both = (("Today", board.today), ("This month", board.month))
    for (name, spent), amount in zip(both, amounts, strict=True):
        yield f"{name:<10}  {amount:>{size}}  {_free(spent)}"


def _free(spent: Spent) -> str:
    if spent.free_calls is None:
        return "nothing served yet; rehearsals do not count"
    text = f"free: {spent.free_calls:.0%} of {_counted(spent.answers, 'answer')}"
    if spent.free_usd is not None:
        text += f", {spent.free_usd:.0%} of money"
    if spent.unknown_costs:
        text += f"; {spent.unknown_costs:,} of unknown cost"
    return text


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _queue(board: Board) -> Iterator[str]:
    waiting = [
        f"{hold.waiting:,} for {_name(hold.pool)}"
        for hold in board.holds
        if hold.waiting
    ]
    if board.in_flight or waiting:
        calls = f"{_counted(board.in_flight, 'call')} in flight"
        yield f"{calls}; waiting: {', '.join(waiting)}" if waiting else calls


def _holds(board: Board) -> Iterator[str]:
    for hold in board.holds:
        name, until = _name(hold.pool), hold.until
        if until is not None:
            left = duration(until - board.now)
            when = f"{moment(until, board.now)}, in {left}"
            yield f"{name} is closed until {when}: {hold.cooldown}"
        elif hold.share is not None:
            yield f"{name} is throttled to {hold.share:.0%} of its short limits"


def _name(pool: str) -> str:
    """A pool without what its name says anyway."""
    for kind in ("deployment:", "class:"):
        pool = pool.removeprefix(kind)
    return pool


def _plans(plans: Mapping[str, PlanState]) -> Iterator[str]:
    written = [name for name, state in plans.items() if not state.at]
    for name, state in plans.items():
        if state.at:
            yield f"{name} is on the plan {state.plan}: {state.reason}"
    if written:
        names = ", ".join(f"{name} {plans[name].plan}" for name in written)
        yield f"plans as providers.yaml says: {names}"


def _table(
    rows: Sequence[Allowance], now: float, width: int, blocks: bool
) -> Iterator[str]:
    if width < NARROWEST:
        yield from _narrow_rows(rows, now, width, blocks)
        return
    lefts = [_amount(one, one.left) for one in rows]
    resets = [_resets(one, now) for one in rows]
    sizes = [
        max(map(len, ("Left", *lefts))),
        max(map(len, ("Resets", *resets))),
    ]
    # Name, limit, bar, percentage, left, resets.
    room = width - _BAR - 5 - sum(sizes) - 4 * len(_GAP)
    names = max(len("Pool"), *(len(_name(one.pool)) for one in rows))
    limits = max(len("Limit"), *(len(_words(one)) for one in rows))
    names, limits = _shared(max(room, 24), names, limits)
    head = ("Pool", "Limit", "Used", "Left", "Resets")
    yield _row(head, names, limits, sizes)
    yield "-" * (names + limits + _BAR + 5 + sum(sizes) + 4 * len(_GAP))
    for one, left, reset in zip(rows, lefts, resets, strict=True):
        cells = (_name(one.pool), _words(one), _bar(one, blocks), left, reset)
        yield from _folded(cells, names, limits, sizes)
        yield from _wrapped(_remarks(one, now), width, "  ")


def _shared(room: int, names: int, limits: int) -> tuple[int, int]:
    """Columns of names and limits: what one does not need the other has."""
    if names + limits <= room:
        return names, limits
    half = room // 2
    if names <= half:
        return names, room - names
    if limits <= room - half:
        return room - limits, limits
    return half, room - half


def _row(cells: Sequence[str], names: int, limits: int, sizes: Sequence[int]) -> str:
    name, limit, bar, left, reset = cells
    return _GAP.join(
        (
            f"{name:<{names}}",
            f"{limit:<{limits}}",
            f"{bar:<{_BAR + 5}}",
            f"{left:>{sizes[0]}}",
            f"{reset:<{sizes[1]}}",
        )
    )


def _folded(
    cells: Sequence[str], names: int, limits: int, sizes: Sequence[int]
) -> Iterator[str]:
    name, limit, *rest = cells
    pairs = zip_longest(_cut(name, names), _cut(limit, limits), fillvalue="")
    for number, (part, words) in enumerate(pairs):
        more = rest if number == 0 else ["", "", ""]
        yield _row((part, words, *more), names, limits, sizes)


def _cut(text: str, width: int) -> list[str]:
    return wrap(text, width, break_on_hyphens=False) or [""]


def _narrow_rows(
    rows: Sequence[Allowance], now: float, width: int, blocks: bool
) -> Iterator[str]:
    for one in rows:
        yield from _wrapped([f"{_name(one.pool)}: {_words(one)}"], width)
        text = f"{_bar(one, blocks)}{_GAP}{_amount(one, one.left)} left"
        if reset := _resets(one, now):
            text += f", resets {reset}"
        yield from _wrapped([text, *_remarks(one, now)], width, "  ")


def _remarks(one: Allowance, now: float) -> Iterator[str]:
    if one.empty_at is not None:
        when = moment(one.empty_at, now)
        yield f"at this rate empty {'at' if ':' in when else 'on'} {when}"
    if one.learned is not None:
        yield f"the provider says {one.limit.shown(one.learned)}"


def _words(one: Allowance) -> str:
    """The limit without its time zone: its reset is shown where the reader is."""
    return str(one.limit).replace(f" @ {one.limit.timezone}", "")


def _bar(one: Allowance, blocks: bool) -> str:
    """A bar and a percentage; neither is full, or empty, before it is so."""
    part = min(1.0, max(0.0, one.share))
    full = int(part * _BAR)
    percent = int(part * 100)
    if part > 0:
        full, percent = max(full, 1), max(percent, 1)
    used, free = _BLOCKS if blocks else _ASCII
    return f"{used * full}{free * (_BAR - full)} {percent:>3}%"


def _amount(one: Allowance, amount: int) -> str:
    if one.is_money:
        return shown_usd(Decimal(amount) / NANO)
    return f"{amount:,}"


def _resets(one: Allowance, now: float) -> str:
    if one.resets_at is None or one.limit.kind is WindowKind.LEASE:
        return ""  # a place is free when a call ends, and nobody knows when that is
    left = one.resets_at - now
    if left >= 3_600:
        return moment(one.resets_at, now)
    return f"in {ceil(left / 60)}m" if left > 60 else f"in {max(0, ceil(left))}s"


def moment(at: float, now: float) -> str:
    """A time where the reader is: the hour today, with the day in the coming week, and
    the date after that."""
    here, today = (datetime.fromtimestamp(one, UTC).astimezone() for one in (at, now))
    days = (here.date() - today.date()) // timedelta(days=1)
    if days == 0:
        return f"{here:%H:%M}"
    return f"{here:%a %H:%M}" if 0 < days < 7 else f"{here:%b %d}"


def _wrapped(texts: Iterable[str], width: int, indent: str = "") -> Iterator[str]:
    for text in texts:
        yield from wrap(
            text,
            max(width, 20),
            initial_indent=indent,
            subsequent_indent=f"{indent}  ",
            break_on_hyphens=False,
        )

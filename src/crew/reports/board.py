"""The board: how everything stands now, as one value and as JSON."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from crew.journal import Spent
from crew.quota.limits import NANO
from crew.reports.allowances import Allowance, Hold
from crew.reports.document import iso_moment, iso_next_second

NOTHING_SPENT = Spent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """How everything stands at `now`. `allowances` are sorted: what is nearest to its
    end comes first. `today` and `month` began at the user's own midnight and first of
    the month, in seconds since the epoch. `waiting` calls stand in the queues of the
    store; `in_flight` calls have left, by the journal of this state directory."""

    now: float
    allowances: tuple[Allowance, ...]
    holds: tuple[Hold, ...]
    today_since: float
    month_since: float
    today: Spent = NOTHING_SPENT
    month: Spent = NOTHING_SPENT
    waiting: int = 0
    in_flight: int = 0

    @property
    def budgets(self) -> tuple[Allowance, ...]:
        """The budgets in money, the fullest first."""
        return tuple(one for one in self.allowances if one.is_budget)


def midnight(now: float) -> float:
    """When the day of `now` began, where the user is; in seconds since the epoch."""
    here = datetime.fromtimestamp(now).astimezone()
    # The offset may have been another one at midnight.
    return datetime(here.year, here.month, here.day).timestamp()  # noqa: DTZ001


def first_of_month(now: float) -> float:
    """When the month of `now` began, where the user is."""
    here = datetime.fromtimestamp(now).astimezone()
    return datetime(here.year, here.month, 1).timestamp()  # noqa: DTZ001


def board_document(board: Board) -> dict[str, object]:
    """What `crew status --json` says besides the pools; docs/status-json.md."""
    return {
        "nearest": list(map(_allowance, board.allowances)),
        "money": {
            "today": _spent(board.today, board.today_since),
            "month": _spent(board.month, board.month_since),
            "budgets": list(map(_allowance, board.budgets)),
        },
        "queue": {"waiting": board.waiting, "in_flight": board.in_flight},
    }


def _allowance(one: Allowance) -> dict[str, object]:
    used, reserved, left = _amounts(one)
    return {
        "pool": one.pool,
        "limit": str(one.limit),
        "metric": str(one.limit.metric),
        "used": used,
        "reserved": reserved,
        "left": left,
        "share": round(one.share, 6),
        "resets_at": iso_next_second(one.resets_at),
        "empty_at": iso_moment(one.empty_at),
        "closed": one.closed or None,
    }


def _amounts(one: Allowance) -> Iterator[int | float]:
    for amount in (one.used, one.reserved, one.left):
        yield amount / NANO if one.is_money else amount


def _spent(spent: Spent, since: float) -> dict[str, object]:
    return {
        "since": iso_moment(since),
        "usd": float(spent.usd),
        "unknown_costs": spent.unknown_costs,
        "calls": spent.calls,
        "answers": spent.answers,
        "cost_all_senior_usd": (
            None if spent.senior_usd is None else float(spent.senior_usd)
        ),
        "free_calls": spent.free_calls,
        "free_usd": spent.free_usd,
    }

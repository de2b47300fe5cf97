"""A forecast as lines for a person, and as JSON."""

from collections.abc import Iterator, Sequence
from math import ceil

from crew.forecast.estimate import FEWEST, Estimate, Spread
from crew.forecast.fit import Fit, RoleFit


def forecast_lines(
    found: Estimate, fit: Fit | None, high: Fit | None, tasks: Sequence[str]
) -> Iterator[str]:
    """What a run will take, who serves it, and whether it fits."""
    if not found.count or fit is None:
        names = ", ".join(tasks)
        yield f"Nothing is known yet: no run of these tasks ended here ({names})."
        return
    things = "tasks of each kind" if found.of_tasks else "runs of these tasks"
    if found.count == 1:
        things = things.replace("runs", "run").replace("tasks of each", "task of a")
    yield f"From {found.count} earlier {things}; half take less, 90 % at most:"
    yield _row("calls", found.calls, lambda n: f"{n:,.0f}")
    yield _row("tokens", found.tokens, lambda n: f"{n:,.0f}")
    yield _row("cost", found.usd, lambda n: f"${n:,.4f}")
    yield _row("time", found.seconds, _time)
    for role in fit.roles:
        yield f"  {role.role}: {_served(role)}"
    if not fit.fits:
        yield "It does not fit into what is left of today's allowances and budgets."
    elif high is not None and not high.fits:
        yield "It fits; a long one (1 of 10) would not."
    else:
        yield "It fits into what is left of today's allowances and budgets."
    if not found.is_firm:
        yield f"(From fewer than {FEWEST}: take it as a hint.)"


def _row(name: str, spread: Spread | None, shown: object) -> str:
    if spread is None:
        return f"  {name:<7} unknown: not every price is known"
    assert callable(shown)
    return f"  {name:<7} {shown(spread.median):>12} {shown(spread.high):>12}"


def _served(role: RoleFit) -> str:
    parts = []
    for index, one in enumerate(role.served):
        share = "" if one.share > 0.999 else f" {one.share:.0%}"
        over = f", overflows to {one.tier}" if one in role.overflow else ""
        parts.append(f"{'then ' if index else ''}{one.deployment}{share}{over}")
    if role.missing >= 0.001:
        parts.append(f"no room for {role.missing:.0%} ({role.closed_by or 'closed'})")
    return "; ".join(parts)


def _time(seconds: float) -> str:
    minutes, rest = divmod(ceil(seconds), 60)
    return f"{minutes}m {rest}s" if minutes else f"{rest}s"


def forecast_document(
    found: Estimate, fit: Fit | None, high: Fit | None
) -> dict[str, object]:
    """The same as a JSON document; null is what nobody knows."""
    known = found.count > 0 and fit is not None
    return {
        "dry_run": True,
        "count": found.count,
        "from": None if not known else "tasks" if found.of_tasks else "runs",
        "calls": _spread(found.calls),
        "tokens": _spread(found.tokens),
        "cost_usd": _spread(found.usd),
        "seconds": _spread(found.seconds),
        "roles": [_role(one) for one in (fit.roles if fit and known else ())],
        "fits": fit.fits if fit is not None and known else None,
        "fits_90": high.fits if high is not None and known else None,
    }


def _spread(spread: Spread | None) -> dict[str, float] | None:
    if spread is None:
        return None
    return {"median": round(spread.median, 6), "p90": round(spread.high, 6)}


def _role(role: RoleFit) -> dict[str, object]:
    return {
        "role": role.role,
        "tier": role.tier,
        "served": [
            {
                "deployment": one.deployment,
                "tier": one.tier,
                "share": round(one.share, 4),
                "overflow": one in role.overflow,
            }
            for one in role.served
        ],
        "missing": round(role.missing, 4),
        "closed_by": role.closed_by or None,
    }

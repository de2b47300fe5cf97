"""The story of one task: who tried it, what decided each attempt, and what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from crew.journal import AttemptRecord
from crew.reports.amounts import shown_usd
from crew.settings.values import IN_YAML

SHOWN = 6
"""Attempts that have a line each; of more, the first and the last ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One task of a run: its attempts, in order, and its status; None: it has not
    ended."""

    run: str
    task: str
    status: str | None
    attempts: Sequence[AttemptRecord]

    @property
    def cost(self) -> Decimal | None:
        """US dollars of all attempts; None where one is unknown."""
        return _total([one.cost_usd for one in self.attempts])

    @property
    def premium_cost(self) -> Decimal | None:
        """What the same tokens would have cost at the premium."""
        return _total([one.premium_usd for one in self.attempts])

    def lines(self) -> list[str]:
        """The story in at most ten lines."""
        tries = len(self.attempts)
        after = f"{tries} attempt{'s' * (tries != 1)}"
        first = self.attempts[0]
        work = ".".join(part for part in (first.kind, first.complexity) if part)
        if first.complexity_reason not in ("", IN_YAML):
            work += f" ({first.complexity_reason})"
        trust = f", gates of trust {first.task_trust}" if first.task_trust else ""
        return [
            f"{self.task} in run {self.run}: {self.status or 'not ended'}, {after}",
            f"{work}{trust}; {_rule(first)}",
            *self._tries(),
            f"cost {shown_usd(self.cost)}; the same tokens at the premium: "
            f"{shown_usd(self.premium_cost)}",
        ]

    def _tries(self) -> list[str]:
        lines = [_line(one) for one in self.attempts]
        over = len(lines) - SHOWN
        if over <= 0:
            return lines
        half = SHOWN // 2
        return [*lines[:half], f"... {over + 1} more ...", *lines[half + over + 1 :]]

    def document(self) -> dict[str, Any]:
        """The story as JSON; an unknown number is null."""
        first = self.attempts[0]
        return {
            "run": self.run,
            "task": self.task,
            "status": self.status,
            "kind": first.kind,
            "complexity": first.complexity,
            "complexity_reason": first.complexity_reason or None,
            "trust": first.task_trust or None,
            "cost_usd": _number(self.cost),
            "premium_usd": _number(self.premium_cost),
            "attempts": [_document(one) for one in self.attempts],
        }


def _line(one: AttemptRecord) -> str:
    """One attempt: where, why there, what decided it, what it took."""
    where = f"{one.step or 'first'} ({one.deployment or 'nobody answered'})"
    notes = [one.why] if one.why else []
    if one.fed_back:
        notes.append("knew the reason")
    if one.cut_off:
        notes.append("cut off")
    why = f" [{'; '.join(notes)}]" if notes else ""
    gate = f"{one.verdict} {one.gate}" if one.gate else f"{one.verdict}, no gate"
    calls = f"{one.calls} call{'s' * (one.calls != 1)}"
    return (
        f"{one.number}. {where}{why}: {gate}; {shown_usd(one.cost_usd)}, "
        f"{calls} in {one.seconds:.1f} s"
    )


def _rule(first: AttemptRecord) -> str:
    """The numbers by which the ladder was chosen."""
    if first.p is None or first.c is None or first.rest is None:
        return "the ladder of the YAML: p, c or P is not measured"
    sign = ">" if first.p * first.rest > first.c else "<="
    return f"p {first.p:.2f} x P {shown_usd(first.rest)} {sign} c {shown_usd(first.c)}"


def _document(one: AttemptRecord) -> dict[str, Any]:
    return {
        "number": one.number,
        "step": one.step,
        "deployment": one.deployment or None,
        "prompt_style": one.prompt_style or None,
        "why": one.why,
        "fed_back": one.fed_back,
        "gate": one.gate or None,
        "trust": one.trust or None,
        "verdict": one.verdict,
        "cut_off": one.cut_off,
        "cost_usd": _number(one.cost_usd),
        "premium_usd": _number(one.premium_usd),
        "seconds": one.seconds,
        "calls": one.calls,
        "input_tokens": one.input_tokens,
        "output_tokens": one.output_tokens,
        "cached_tokens": one.cached_tokens,
        "p": _number(one.p),
        "c": _number(one.c),
        "P": _number(one.rest),
    }


def _total(amounts: Sequence[Decimal | None]) -> Decimal | None:
    known = [one for one in amounts if one is not None]
    return sum(known, Decimal(0)) if len(known) == len(amounts) else None


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)

"""The ladder that each task would climb now, and where its numbers come from."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from crew.check.roles import as_reported, with_all_keys
from crew.gates import trust_of
from crew.ladder import Ladder, Rates, Step, mends, plan, planned_kind
from crew.ladder.work import decided
from crew.settings import Settings, TaskSpec
from crew.settings.values import IN_YAML, OPEN

if TYPE_CHECKING:
    from crew.providers.probe import Probe

LEGEND = (
    "Ladders: p passes, r mends with the reason, c is the price of an attempt, "
    "P that of going on without it"
)


BY_REQUEST = "another request may change it"
"""Stands behind a complexity that tasks.yaml does not give."""


def ladder_lines(
    settings: Settings,
    rates: Rates,
    probes: "Mapping[str, Probe]",
    *,
    rehearsed: bool = False,
) -> list[str]:
    """Each task with its ladder: one line where the YAML orders it, else one more for
    each step. In a rehearsal all deployments are there."""
    if rehearsed:
        settings = with_all_keys(settings)
    known, _ = as_reported(settings, probes)
    if known.inputs is not None and known.inputs.request:
        known = decided(known, known.inputs)
    lines: list[str] = []
    width = max(map(len, known.tasks), default=0)
    for task in known.tasks.values():
        trust = str(trust_of(task.gates, known.checks.names))
        ladder = plan(known, task, trust=trust, rates=rates)
        lines.append(f"  {task.name:<{width}}  {_head(known, task, ladder)}")
        lines += (f"  {'':<{width}}  {line}" for line in _details(ladder))
    return lines


def _head(settings: Settings, task: TaskSpec, ladder: Ladder) -> str:
    kind = planned_kind(settings, task)
    work = f"{kind}.{task.complexity}" if kind else task.complexity
    if task.complexity_reason == OPEN:
        work += f" ({BY_REQUEST})"
    elif task.complexity_reason != IN_YAML:
        work += f" ({task.complexity_reason}; {BY_REQUEST})"
    steps = ", then ".join(map(_named, ladder.steps)) or "nobody"
    more = []
    if settings.ladder.audit:
        share = f"{settings.ladder.audit * 100:f}".rstrip("0").rstrip(".")
        more.append(f"{share} % go to the premium first")
    for one in settings.experiments.values():
        if one.role == task.agent:
            share = f"{one.share * 100:f}".rstrip("0").rstrip(".")
            arms = " or ".join(arm.name for arm in one.arms)
            more.append(f"{share} % in the experiment {one.name} ({arms} goes first)")
    if ladder.stays and len(ladder.steps) > 1:
        more.append(ladder.stays)
    return "; ".join([f"{work}, trust {ladder.trust}: {steps}", *more])


def _named(step: Step) -> str:
    if not step.deployments:
        return "whom the manager chooses"
    first, *others = step.deployments
    return f"{step.name} ({first}{f' and {len(others)} more' if others else ''})"


def _details(ladder: Ladder) -> Iterator[str]:
    """What is known of the steps; nothing where nobody knows anything."""
    premium = next((step for step in ladder.steps if step.is_premium), None)
    by = premium.rate.priced if premium is not None else ""
    for step in ladder.steps:
        if step.counted is None and step.price is None:
            continue
        parts = [step.why]
        if step.counted is not None:
            parts.append(f"p {step.counted:.2f} ({step.rate.source})")
        if not step.is_premium and ladder.retries:
            prior = "" if step.rate.mends is not None else " (prior)"
            parts.append(f"r {mends(step, ladder.trust):.2f}{prior}")
        if step.price is not None:
            parts.append(f"c {_usd(step.price)} ({step.rate.priced})")
        if step.rest is not None:
            parts.append(f"P {_usd(step.rest)} (the premium: {by})")
        yield f"{step.name}: {', '.join(parts)}"
    for name, why in ladder.left_out:
        yield f"{name} is left out: {why}"


def _usd(amount: Decimal) -> str:
    return f"${amount:.4f}"

"""From the names in tasks.yaml to gates."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from crew.gates.checks import Checks, all_checks, one_check
from crew.gates.examples import examples
from crew.gates.files import asked_files, changed, files_exist
from crew.gates.gate import MODEL, Asking, Gate, Look, Trust
from crew.gates.judge import judge
from crew.gates.python import python_parses
from crew.gates.review import review
from crew.gates.text import (
    has_sections,
    json_parses,
    json_schema,
    not_empty,
    not_truncated,
)
from crew.settings import GateSpec


def _nobody(tier: str, question: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What gates need beside the work: the checks of the run, a model to `ask`, and
    `own`, which finds the user's own gates by their dotted paths."""

    checks: Checks | None = None
    ask: Asking = _nobody
    own: Callable[[str], Look] | None = None


_PLAIN: Mapping[str, Look] = {
    "not_empty": not_empty,
    "not_truncated": not_truncated,
    "json_parses": json_parses,
    "python_parses": python_parses,
    "files_exist": files_exist,
    "asked_files": asked_files,
    "changed": changed,
}


def build_gates(specs: Sequence[GateSpec], means: Means | None = None) -> list[Gate]:
    """The gates of a task, in the order of what they cost."""
    gates = [_gate(spec, means or Means()) for spec in specs]
    return sorted(gates, key=lambda gate: gate.cost)


def trust_of(specs: Iterable[GateSpec], checks: Sequence[str]) -> Trust:
    """The trust of the strongest gate that has something to look at; `checks` are the
    names of the checks that there are."""
    nothing = Means(own=lambda dotted: not_empty)
    trusts = [_built(spec, nothing)[0] for spec in specs if not _is_idle(spec, checks)]
    return min(trusts, key=list(Trust).index, default=Trust.SHAPE)


def _is_idle(spec: GateSpec, checks: Sequence[str]) -> bool:
    if spec.name == "checks":
        return not checks
    return spec.name == "check" and spec.names[0] not in checks


def _gate(spec: GateSpec, means: Means) -> Gate:
    trust, cost, look = _built(spec, means)
    return Gate(spec=spec, trust=trust, cost=cost, look=look)


def _built(spec: GateSpec, means: Means) -> tuple[Trust, int, Look]:
    match spec.name:
        case "checks":
            return Trust.TESTS, 2, all_checks(means.checks)
        case "check":
            return Trust.TESTS, 2, one_check(spec.names[0], means.checks)
        case "examples":
            return Trust.EXAMPLES, 1, examples(means.checks)
        case "has_sections":
            return Trust.SHAPE, 0, has_sections(spec.names)
        case "json":
            return Trust.SHAPE, 0, json_schema(spec.text)
        case "judge":
            return Trust.SHAPE, MODEL, judge(spec.tier, spec.text, means.ask)
        case "review":
            look = review(spec.tier, spec.names[0], means.checks, means.ask)
            return Trust.SHAPE, MODEL, look
        case name if spec.is_own and means.own is not None:
            return Trust.SHAPE, 0, means.own(name)
        case name:
            return Trust.SHAPE, 0, _PLAIN[name]

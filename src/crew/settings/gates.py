"""The gates of a task, as tasks.yaml names them."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from crew.settings.parameters import plain_value
from crew.settings.wording import shown, unknown

GATES = (
    "not_empty",
    "not_truncated",
    "json_parses",
    "python_parses",
    "files_exist",
    "asked_files",
    "changed",
    "examples",
    "checks",
)
"""The gates that a word names."""
WITH_A_VALUE = ("check", "has_sections", "json", "judge", "review")
"""The gates that stand as a mapping of one key."""
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_RUBRIC_CHARACTERS = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSpec:
    """One gate of a task. `names` are the sections of `has_sections`, or the check of
    `check`; `text` is the schema of `json` (JSON, or a file beside tasks.yaml), or the
    rubric of `judge`, whose opinion comes from `tier`. `review` has a tier, and in
    `names` the check that runs its test. Of a gate of the user's own,
    `name` is the dotted path of the function."""

    name: str
    names: tuple[str, ...] = ()
    text: str = ""
    tier: str = ""

    @property
    def is_own(self) -> bool:
        """Whether it is a function of the user's."""
        return "." in self.name

    def __str__(self) -> str:
        if self.name == "check":
            return f"check: {self.names[0]}"
        return self.name


def gate(value: object) -> GateSpec:
    """The gate that a value of the YAML names. Raises ValueError."""
    if isinstance(value, str):
        return _by_word(value.strip())
    if isinstance(value, dict) and len(value) == 1:
        ((name, given),) = value.items()
        if name in _PARSERS:
            return _PARSERS[name](given)
        if name in GATES:
            raise ValueError(f"{name} takes no value; write `- {name}`")
        raise ValueError(unknown("gate", str(name), (*WITH_A_VALUE, *GATES)))
    raise ValueError(f"found {shown(value)}; allowed: {_FORMS}")


def _by_word(name: str) -> GateSpec:
    if name in GATES or _DOTTED.fullmatch(name):
        return GateSpec(name=name)
    if name in WITH_A_VALUE:
        raise ValueError(f"{name} needs a value; allowed: {_EXAMPLES[name]}")
    raise ValueError(unknown("gate", name, (*GATES, *WITH_A_VALUE)))


def _check(given: object) -> GateSpec:
    return GateSpec(name="check", names=(_word(given, "check"),))


def _sections(given: object) -> GateSpec:
    named = given if isinstance(given, list) else [given]
    names = tuple(_word(one, "has_sections") for one in named)
    if not names:
        raise ValueError(f"is empty; allowed: {_EXAMPLES['has_sections']}")
    return GateSpec(name="has_sections", names=names)


def _json(given: object) -> GateSpec:
    if isinstance(given, dict):
        return GateSpec(name="json", text=json.dumps(plain_value(given)))
    return GateSpec(name="json", text=_word(given, "json"))


def _judge(given: object) -> GateSpec:
    keys = ("tier", "rubric")
    if not isinstance(given, dict) or set(given) != set(keys):
        raise ValueError(f"found {shown(given)}; allowed: {_EXAMPLES['judge']}")
    rubric = _word(given["rubric"], "judge")
    if len(rubric) > _RUBRIC_CHARACTERS:
        raise ValueError(f"a rubric has at most {_RUBRIC_CHARACTERS} characters")
    return GateSpec(name="judge", text=rubric, tier=_word(given["tier"], "judge"))


def _review(given: object) -> GateSpec:
    if not isinstance(given, dict) or set(given) != {"tier", "check"}:
        raise ValueError(f"found {shown(given)}; allowed: {_EXAMPLES['review']}")
    tier, check = (_word(given[key], "review") for key in ("tier", "check"))
    return GateSpec(name="review", names=(check,), tier=tier)


def _word(value: object, name: str) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise ValueError(f"found {shown(value)}; allowed: {_EXAMPLES[name]}")


_EXAMPLES: Mapping[str, str] = {
    "check": "{check: NAME}, with a name from `checks`",
    "has_sections": "{has_sections: [Goal, Files]}",
    "json": "{json: FILE}, or {json: SCHEMA} with the schema itself",
    "judge": "{judge: {tier: TIER, rubric: TEXT}}",
    "review": "{review: {tier: TIER, check: NAME}}",
}
_FORMS = f"{', '.join(GATES)}, {'; '.join(_EXAMPLES.values())}, or package.function"
_PARSERS: Mapping[str, Callable[[object], GateSpec]] = {
    "check": _check,
    "has_sections": _sections,
    "json": _json,
    "judge": _judge,
    "review": _review,
}

"""Prometheus' text format, version 0.0.4: families of samples, as text."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

COUNTER: Literal["counter"] = "counter"
GAUGE: Literal["gauge"] = "gauge"
SUMMARY: Literal["summary"] = "summary"


@dataclass(frozen=True, slots=True)
class Sample:
    """One value; `suffix` is what a summary adds to the name."""

    value: float
    labels: Mapping[str, str]
    suffix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Samples of one name. `help` is one sentence about it."""

    name: str
    type: Literal["counter", "gauge", "summary"]
    help: str
    samples: Sequence[Sample]


def text(families: Iterable[Family], shown: Callable[[str], str]) -> str:
    """The families as text; those without a sample are left out. `shown` is what
    becomes of the value of a label."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        lines.append(f"# HELP {family.name} {_help(family.help)}")
        lines.append(f"# TYPE {family.name} {family.type}")
        lines += [_line(family.name, sample, shown) for sample in family.samples]
    return "\n".join([*lines, ""])


def _line(name: str, sample: Sample, shown: Callable[[str], str]) -> str:
    labels = ",".join(
        f'{key}="{_value(shown(one))}"' for key, one in sample.labels.items()
    )
    of = f"{{{labels}}}" if labels else ""
    return f"{name}{sample.suffix}{of} {_number(sample.value)}"


def _number(value: float) -> str:
    """All digits of it: counters are compared with the journal's sums."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _value(label: str) -> str:
    return _help(label).replace('"', '\\"')


def _help(sentence: str) -> str:
    return sentence.replace("\\", "\\\\").replace("\n", "\\n")

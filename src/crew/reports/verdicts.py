"""What gates found, as the record of a run has it: in any of its forms.

Records of earlier versions hold texts by the gate's name; later ones a list of
documents with `name`, `verdict` (passed, failed, nothing), `trust` and `reason`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

PASSED, FAILED, NOTHING = "passed", "failed", "nothing"
_SILENT = "nothing to look at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one gate found: `passed`, `failed` or `nothing`. `trust` says how much that
    is worth (`tests`, `examples`, `shape`), empty where nobody said it."""

    gate: str
    verdict: str
    trust: str = ""
    reason: str = ""


def verdicts_of(gates: object) -> Iterator[Found]:
    """The verdicts about one task, as the record has them."""
    if isinstance(gates, Mapping):
        for gate, found in gates.items():
            yield _of_text(str(gate), str(found))
    elif isinstance(gates, Sequence) and not isinstance(gates, str):
        for one in gates:
            if isinstance(one, Mapping):
                yield Found(
                    gate=str(one.get("name", "")),
                    verdict=str(one.get("verdict", "")),
                    trust=str(one.get("trust") or ""),
                    reason=str(one.get("reason") or ""),
                )


def _of_text(gate: str, text: str) -> Found:
    if text == PASSED:
        return Found(gate=gate, verdict=PASSED)
    if text.startswith(_SILENT):
        return Found(gate=gate, verdict=NOTHING, reason=text)
    return Found(gate=gate, verdict=FAILED, reason=text)

"""Which arm of an experiment a task gets: by chance, and the same whenever it is asked
again (pure)."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from crew.settings import ArmSpec, ExperimentSpec

_HALF = 8
"""Bytes of a hash that one draw takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """The arm of an experiment that a task got."""

    experiment: ExperimentSpec
    arm: ArmSpec


def drawn(
    experiments: Iterable[ExperimentSpec], *, role: str | None, run: str, task: str
) -> Draw | None:
    """The arm that the task of a role gets in a run; None for a task that is in no
    experiment."""
    for one in experiments:
        if one.role != role:
            continue
        text = f"{one.seed}/{one.name}/{run}/{task}"
        digest = hashlib.sha256(text.encode(errors="replace")).digest()
        share = int.from_bytes(digest[:_HALF])
        if share < one.share * 2 ** (8 * _HALF):
            arm = int.from_bytes(digest[_HALF : 2 * _HALF]) % len(one.arms)
            return Draw(experiment=one, arm=one.arms[arm])
    return None

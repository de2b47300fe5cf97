"""What an event says, as attributes; prompts and answers are in no event."""

import re
from typing import TypeAlias

from crew.progress.events import (
    CallEnded,
    GateJudged,
    OfTask,
    RunBegun,
    StepBegun,
    Swapped,
    TaskEnded,
    ToolUsed,
    Waiting,
)
from crew.settings import Settings
from crew.telemetry import names

Attributes: TypeAlias = dict[str, str | int | float | bool]
_LIMIT = re.compile(
    r"\(((?:provider|class|deployment|tier|user|team|role|run|budget)"
    r"[:\w./@-]*)\)"
)


class Attributing:
    """Looks up what the settings know of a role and a deployment."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def of(self, event: OfTask | RunBegun) -> Attributes:
        """The attributes of an event, without those that nobody knows."""
        found: Attributes = {names.RUN: event.run}
        match event:
            case RunBegun():
                found[names.OPERATION] = names.INVOKE_WORKFLOW
                found[names.WORKFLOW] = "crew"
                found[names.CONVERSATION] = event.run
                return found
            case CallEnded():
                found |= self._call(event)
            case StepBegun():
                found[names.ATTEMPT] = event.attempt
                found[names.STEP] = event.step
                found[names.WHY] = event.why
            case ToolUsed():
                found[names.OPERATION] = names.EXECUTE_TOOL
                found[names.TOOL] = event.tool
            case GateJudged():
                found[names.GATE] = event.gate
                found[names.VERDICT] = event.verdict
            case Swapped() | Waiting():
                found |= _why(event.reason)
            case TaskEnded():
                found[names.STATUS] = event.status
            case _:
                pass
        return found | self._place(event)

    def model(self, deployment: str | None) -> Attributes:
        """The provider and the model of a deployment."""
        known = self._settings.deployments.get(deployment or "")
        if known is None:
            return {}
        family = known.family
        return {
            names.PROVIDER: names.PROVIDERS.get(family, family),
            names.REQUEST_MODEL: known.model.partition("/")[2] or known.model,
            names.DEPLOYMENT: known.name,
        }

    def _place(self, event: OfTask) -> Attributes:
        found: Attributes = {}
        if event.task:
            found[names.TASK] = event.task
        if event.role:
            found[names.ROLE] = found[names.AGENT] = event.role
            if role := self._settings.roles.get(event.role):
                found[names.TIER] = role.tier
        return found

    def _call(self, event: CallEnded) -> Attributes:
        found: Attributes = {
            names.OPERATION: names.CHAT,
            names.INPUT_TOKENS: event.input_tokens,
            names.OUTPUT_TOKENS: event.output_tokens,
            names.CACHED_TOKENS: event.cached_tokens,
            **self.model(event.deployment),
            **_why(event.reason),
        }
        if event.outcome != "ok":
            found[names.ERROR] = event.outcome
        if event.model:
            found[names.RESPONSE_MODEL] = event.model
        if event.first_seconds is not None:
            found[names.FIRST_CHUNK] = event.first_seconds
        if event.cost_usd is not None:
            found[names.COST] = float(event.cost_usd)
        if event.senior_usd is not None:
            found[names.SENIOR_COST] = float(event.senior_usd)
        return found


def _why(reason: str) -> Attributes:
    """Why this deployment and not the first, and the limit that says so."""
    if not reason:
        return {}
    found: Attributes = {names.SWAP_REASON: reason}
    if limit := _LIMIT.search(reason):
        found[names.LIMIT] = limit[1]
    return found

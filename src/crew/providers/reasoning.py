"""A model's reasoning and text before it called tools, kept beside the conversation.

CrewAI keeps of such an answer its calls alone. The text beside them goes to
everybody. Some providers want the reasoning back with the results of the calls, and
only from the model that had it; some makers' models demand it (`families` says who).
Others do not know such fields, and some refuse them (Groq: "property is unsupported").
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crew.providers.families.registry import family, makers
from crew.settings import Deployment

KEPT = 1_000
"""The reasoning of how many messages an LLM remembers; the oldest go first."""
BLANK = " "
"""The least that counts as reasoning where it is demanded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """The reasoning of one deployment; `fields` as litellm names them. `text` is its
    text beside its calls, which `is_plan` of an architect's."""

    deployment: str
    fields: Mapping[str, Any]
    text: str
    is_plan: bool = False

    @property
    def characters(self) -> int:
        return len(self.text) + sum(len(str(value)) for value in self.fields.values())


@dataclass(slots=True)
class KeptReasoning:
    """The reasoning of one agent's LLM, by the call that followed them: the ids of some
    providers begin anew with each answer."""

    _kept: "OrderedDict[str, _Kept]" = field(default_factory=OrderedDict)

    def keep(
        self,
        deployment: Deployment,
        calls: Sequence[Any],
        fields: Mapping[str, Any],
        text: str = "",
        *,
        is_plan: bool = False,
    ) -> None:
        """Remember the reasoning and the text before these tool calls (litellm's
        objects)."""
        taken = family(deployment.family).reasoning_fields
        own = {name: fields[name] for name in taken if fields.get(name)}
        if "reasoning_details" in own:
            own.pop("reasoning", None)  # the same once more
        if calls and (own or text):
            kept = _Kept(
                deployment=deployment.name, fields=own, text=text, is_plan=is_plan
            )
            function = calls[0].function
            self._kept[_key(calls[0].id, function.name, function.arguments)] = kept
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def beside(
        self, deployment: Deployment, message: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The fields that a message of the assistant needs at this deployment."""
        if message.get("role") != "assistant":
            return {}
        kept = self._of(message)
        fields: dict[str, Any] = {}
        if kept is not None and kept.deployment == deployment.name:
            fields = dict(kept.fields)
        if not fields and _demands(deployment):
            fields = {"reasoning_content": BLANK}
        if kept is not None and kept.text and not message.get("content"):
            fields["content"] = kept.text
        return fields

    def with_texts(
        self, messages: Sequence[Mapping[str, Any]]
    ) -> list[Mapping[str, Any]]:
        """The messages with the texts that stood beside their tool calls."""
        found: list[Mapping[str, Any]] = []
        for message in messages:
            kept = self._of(message)
            text = kept.text if kept is not None and not message.get("content") else ""
            found.append({**message, "content": text} if text else message)
        return found

    def has_plan(self, messages: Sequence[Mapping[str, Any]]) -> bool:
        """Whether an architect's plan is carried out in this conversation."""
        found = (self._of(message) for message in messages)
        return any(kept is not None and kept.is_plan for kept in found)

    def characters(self, messages: Sequence[Any]) -> int:
        """How long the thoughts are that belong to these messages."""
        found = (self._of(message) for message in messages)
        return sum(kept.characters for kept in found if kept is not None)

    def _of(self, message: Mapping[str, Any]) -> _Kept | None:
        calls = message.get("tool_calls")
        if not calls:
            return None
        function = calls[0].get("function") or {}
        key = _key(calls[0].get("id"), function.get("name"), function.get("arguments"))
        return self._kept.get(key)


def _key(*parts: object) -> str:
    return "\n".join(str(part) for part in parts)


def _demands(deployment: Deployment) -> bool:
    if not family(deployment.family).passes_reasoning_on:
        return False
    return any(maker.demands_reasoning for maker in makers(deployment.model))


def streamed(chunks: Sequence[Any]) -> Mapping[str, Any]:
    """What litellm does not join of a streamed answer: OpenRouter's details, and
    Anthropic's blocks, whose text is not shown by default."""
    details: list[dict[str, Any]] = []
    blocks: list[dict[str, Any]] = []
    for chunk in chunks:
        delta = chunk.choices[0].delta if chunk.choices else None
        for piece in getattr(delta, "reasoning_details", None) or ():
            _add(details, piece, ("type", "index"))
        for piece in getattr(delta, "thinking_blocks", None) or ():
            if blocks and blocks[-1].get("signature"):
                blocks.append({})  # a signature is the end of a block
            if piece.get("signature") and blocks and blocks[-1]:
                # litellm says the whole text once more with the signature.
                piece = {**piece, "thinking": ""}
            _add(blocks, piece, ("type",))
    found = {"reasoning_details": details, "thinking_blocks": blocks}
    return {name: value for name, value in found.items() if value}


_TEXTS = ("text", "summary", "data", "thinking")


def _add(
    found: list[dict[str, Any]], piece: Mapping[str, Any], marks: Sequence[str]
) -> None:
    """Put a piece to the thought that it goes on with, or begin another."""
    last = found[-1] if found else None
    if last is None or (last and any(last.get(m) != piece.get(m) for m in marks)):
        last = {}
        found.append(last)
    for name, value in piece.items():
        if name in _TEXTS and isinstance(value, str):
            last[name] = (last.get(name) or "") + value
        elif value is not None:
            last[name] = value

"""Marks on the long prefix of a conversation, for models that cache by marks alone.

Anthropic's cache reads a prefix for a tenth of its price when the same bytes come
again within five minutes: tools first, then the system prompt, then the messages
(platform.claude.com/docs, prompt caching, 2026-11). Others find it by themselves.
The marks stay where they are from call to call, so that the bytes before them do.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crew.providers.families.registry import family, makers
from crew.settings import Deployment

LEAST = 4_096
"""Characters between two marks, at least. The shortest prefix that any model caches is
1,024 tokens; what is marked and shorter is not cached, and costs nothing more."""
MOST_MARKS = 3
"""One fewer than Anthropic takes: the end of the conversation is marked by itself."""
MARK: Mapping[str, str] = {"type": "ephemeral"}


def marked(
    deployment: Deployment,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] | None,
) -> dict[str, Any]:
    """The arguments `messages` and `tools` of a call, with marks where the deployment
    caches by marks: after the tools, the system prompt and the first message of the
    user, if they are long."""
    own = family(deployment.family)
    by_marks = any(maker.caches_by_marks for maker in makers(deployment.model))
    if not by_marks or own.cache_marks == "":
        return {"messages": list(messages), "tools": list(tools) if tools else None}
    marking = _Marking()
    found: dict[str, Any] = {"tools": list(tools) if tools else None}
    if tools:
        marking.passed(len(json.dumps(tools, default=str)))
        if own.cache_marks == "everywhere" and marking.due():
            found["tools"][-1] = {**tools[-1], "cache_control": dict(MARK)}
    found["messages"] = marking.of_messages(messages)
    if own.cache_marks == "everywhere" and tools:
        # A loop of tools sends all of it again: Anthropic moves this mark on.
        found["cache_control"] = dict(MARK)
    return found


@dataclass(slots=True)
class _Marking:
    """How much stands before the next place for a mark, and how many are set."""

    _since: int = field(default=0)
    _set: int = field(default=0)

    def passed(self, characters: int) -> None:
        self._since += characters

    def due(self) -> bool:
        """Whether a mark pays here; then it counts as set."""
        if self._since < LEAST or self._set == MOST_MARKS:
            return False
        self._since, self._set = 0, self._set + 1
        return True

    def of_messages(
        self, messages: Sequence[Mapping[str, Any]]
    ) -> list[Mapping[str, Any]]:
        found = list(messages)
        for place, message in enumerate(messages):
            self.passed(len(json.dumps(message.get("content"), default=str)))
            if message.get("role") not in ("system", "user"):
                break
            parts = _parts(message.get("content"))
            if parts and self.due():
                parts[-1] = {**parts[-1], "cache_control": dict(MARK)}
                found[place] = {**message, "content": parts}
            if message.get("role") == "user":
                break
        return found


def _parts(content: object) -> list[dict[str, Any]]:
    """The content in parts of which the last can hold a mark; empty where it cannot."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []
    if not isinstance(content, list) or not content:
        return []
    last = content[-1]
    if not isinstance(last, dict):
        return []
    empty = last.get("type") == "text" and not str(last.get("text", "")).strip()
    return [] if empty else list(content)

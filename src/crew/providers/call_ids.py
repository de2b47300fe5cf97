"""The ids of tool calls on the way out: each one once in a conversation.

Some providers begin their ids anew with each answer (`call_0`), some give none, and
each family wants its own form. Another one, after a swap, refuses a conversation with
the same id twice (Anthropic: "`tool_use` ids must be unique"), so the ids are made
anew for each request, the same ones for the same conversation.
"""

from typing import Any

from crew.providers.families.family import Family

# litellm keeps Gemini's signature of its reasoning behind the id.
_SIGNATURE = "__thought__"


class CallIds:
    """Gives the calls of one conversation their ids, message by message."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._used: set[str] = set()
        self._waiting: dict[str, list[str]] = {}

    def put(self, message: dict[str, Any]) -> dict[str, Any]:
        """The message, with the ids of its calls, or of its result, in place."""
        if calls := message.get("tool_calls"):
            # The results of earlier calls have come: an id that comes again is new.
            self._waiting = {}
            message["tool_calls"] = [self._numbered(call) for call in calls]
        if "tool_call_id" in message:
            message["tool_call_id"] = self._of_result(str(message["tool_call_id"]))
        return message

    def _numbered(self, call: dict[str, Any]) -> dict[str, Any]:
        given = str(call.get("id") or "")
        first, mark, signature = given.partition(_SIGNATURE)
        plain = wanted = self._family.call_id(first or "call")
        number = 2
        while wanted in self._used:
            wanted = self._family.call_id(f"{plain}_{number}")
            number += 1
        self._used.add(wanted)
        if self._family.signs_calls:
            wanted += mark + signature
        self._waiting.setdefault(given, []).append(wanted)
        return {**call, "id": wanted}

    def _of_result(self, given: str) -> str:
        """Results that share an id belong to its calls in their order."""
        waiting = self._waiting.get(given)
        if not waiting:
            return self._family.call_id(given.partition(_SIGNATURE)[0] or "call")
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

"""Which ids of tool calls a provider takes back: not everybody's, after a swap."""

import re

from crew.emulator.conversation import Conversation
from crew.emulator.envelopes import Reply, failure

_RULES = {
    "anthropic": re.compile(r"[a-zA-Z0-9_-]+"),
    "mistral": re.compile(r"[a-zA-Z0-9]{9}"),
    "openai": re.compile(r".{1,40}"),
}


def foreign_id(family: str, talk: Conversation) -> Reply | None:
    """What the provider says to an id that it would not have given (2026-11)."""
    rule = _RULES.get(family)
    wrong = next((i for i in talk.call_ids if rule and not rule.fullmatch(i)), None)
    if wrong is None:
        return None
    match family:
        case "anthropic":
            message = "tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
            return failure(family, 400, "invalid_request", f"messages: {message}")
        case "mistral":
            message = f"Tool call id was {wrong} but must be a-z, A-Z, 0-9, with a "
            reply = failure(family, 400, "invalid_function_call", message)
            said = {"message": f"{message}length of 9.", "code": "3280"}
            return Reply(status=400, body={**reply.body, **said})
        case _:
            message = (
                "Invalid 'messages.tool_calls.id': string too long. Expected a string "
                "with maximum length 40, but got a string with length "
                f"{len(wrong)} instead."
            )
            return failure(family, 400, "string_above_max_length", message)

"""What a provider refuses of a conversation that began with another: ids of tool calls
that it would not have given, thoughts that are missing or somebody else's, an order of
roles that it does not know.

As documented and reported by 2026-11: DeepSeek wants the thoughts before a call
(api-docs.deepseek.com/guides/thinking_mode), Anthropic takes only blocks that it signed
for this model, Mistral no word of the user right after a tool's (its error 3230), and
some no thoughts as such.
"""

import json
import re
from itertools import pairwise

from crew.emulator.conversation import Conversation
from crew.emulator.envelopes import Reply, failure
from crew.emulator.reasoning import FIELDS, signature

_MISSING = (
    "The `reasoning_content` in the thinking mode must be passed back to the API."
)
_TAKEN = {
    "anthropic": frozenset({"thinking"}),
    "deepseek": FIELDS,
    "openrouter": FIELDS,
    "ollama": FIELDS,
    "together_ai": FIELDS,
}
"""Who passes over such fields; the others know none."""
_IDS = {
    "anthropic": re.compile(r"[a-zA-Z0-9_-]+"),
    "mistral": re.compile(r"[a-zA-Z0-9]{9}"),
    "openai": re.compile(r".{1,40}"),
}


def foreign(family: str, model: str, talk: Conversation) -> Reply | None:
    """What the provider says to such a conversation, if anything."""
    return (
        _foreign_id(family, talk)
        or _foreign_thought(family, model, talk)
        or _foreign_order(family, talk)
    )


def _foreign_id(family: str, talk: Conversation) -> Reply | None:
    rule = _IDS.get(family)
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


def _foreign_thought(family: str, model: str, talk: Conversation) -> Reply | None:
    names = frozenset(name for given in talk.reasoning for name in given)
    if unknown := names - _TAKEN.get(family, frozenset()):
        message = f"messages: property '{min(unknown)}' is unsupported"
        return failure(family, 400, "invalid_request", message)
    if any(mark != signature(model) for mark in talk.signatures):
        message = "messages.1.content.0: Invalid `signature` in `thinking` block"
        return failure(family, 400, "invalid_request", message)
    if family == "deepseek" and not _all(talk, frozenset({"reasoning_content"})):
        return failure(family, 400, "invalid_request_error", _MISSING)
    if family == "openrouter" and "deepseek" in model and not _all(talk, FIELDS):
        return _from_upstream()
    return None


def _all(talk: Conversation, wanted: frozenset[str]) -> bool:
    return all(given & wanted for given in talk.reasoning)


def _from_upstream() -> Reply:
    raw = failure("deepseek", 400, "invalid_request_error", _MISSING).body
    metadata = {"raw": json.dumps(raw), "provider_name": "DeepSeek"}
    error = {"message": "Provider returned error", "code": 400, "metadata": metadata}
    return Reply(status=400, body={"error": error, "user_id": "user_emulated"})


def _foreign_order(family: str, talk: Conversation) -> Reply | None:
    roles = [message.role for message in talk.messages]
    if family != "mistral" or ("tool", "user") not in pairwise(roles):
        return None
    message = "Unexpected role 'user' after role 'tool'"
    reply = failure(family, 400, "invalid_request_message_order", message)
    return Reply(status=400, body={**reply.body, "code": "3230"})

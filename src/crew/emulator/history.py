"""What a provider refuses of a conversation that began with another: ids of tool calls
that it would not have given, reasoning that is missing or somebody else's, an order of
roles that it does not know. Each family's file says which."""

from crew.emulator.conversation import Conversation
from crew.emulator.envelopes import Reply
from crew.emulator.families.family import Family
from crew.emulator.reasoning import signature


def foreign(family: Family, model: str, talk: Conversation) -> Reply | None:
    """What the provider says to such a conversation, if anything."""
    return (
        _foreign_id(family, talk)
        or _repeated_id(family, talk)
        or _foreign_reasoning(family, model, talk)
        or family.missing_reasoning(model, talk)
        or family.wrong_parameters(model, talk)
        or family.wrong_order([message.role for message in talk.messages])
    )


def _foreign_id(family: Family, talk: Conversation) -> Reply | None:
    known = family.call_ids
    wrong = next((i for i in talk.call_ids if known and not known.fullmatch(i)), None)
    return None if wrong is None else family.wrong_call_id(wrong)


def _repeated_id(family: Family, talk: Conversation) -> Reply | None:
    if not family.repeated_id or len(set(talk.call_ids)) == len(talk.call_ids):
        return None
    return family.failure(400, "invalid_request", family.repeated_id)


def _foreign_reasoning(family: Family, model: str, talk: Conversation) -> Reply | None:
    names = frozenset(name for given in talk.reasoning for name in given)
    if unknown := names - family.reasoning_taken:
        message = f"messages: property '{min(unknown)}' is unsupported"
        return family.failure(400, "invalid_request", message)
    if any(mark != signature(model) for mark in talk.signatures):
        message = "messages.1.content.0: Invalid `signature` in `thinking` block"
        return family.failure(400, "invalid_request", message)
    return None
